import { algorithmsSuite } from './algorithms-suite.js';
import { matrixSuite } from './matrix-5.2-suite.js';
import { ASYNC } from './pair.js';
import { usersSuite } from './users-suite.js';

algorithmsSuite(ASYNC);
matrixSuite(ASYNC);
usersSuite(ASYNC);
