import { SYNC } from './pair.js';
import { matrixSuite } from './matrix-5.2-suite.js';

matrixSuite(SYNC);
