import { SYNC } from './pair.js';
import { usersSuite } from './users-suite.js';

usersSuite(SYNC);
