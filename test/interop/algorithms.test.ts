import { SYNC } from './pair.js';
import { algorithmsSuite } from './algorithms-suite.js';

algorithmsSuite(SYNC);
