/** A Django for each model of users and each algorithm. */
import { algorithmsSuite } from '../interop/algorithms-suite.js';
import { SYNC } from '../interop/pair.js';
import { usersSuite } from '../interop/users-suite.js';

algorithmsSuite(SYNC);
usersSuite(SYNC);
