import { SYNC } from './pair.js';
import { revokeUserSuite } from './revoke-user-suite.js';

// All hundred of each: revoke-user.long.test.ts.
revokeUserSuite(SYNC, 5);
