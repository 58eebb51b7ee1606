import { MODES } from './pair.js';
import { usersSuite } from './users-suite.js';

usersSuite(MODES.filter(({ async }) => async));
