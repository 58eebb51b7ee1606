import { alternationSuite } from './alternation-suite.js';
import { SYNC } from './pair.js';

alternationSuite(SYNC);
