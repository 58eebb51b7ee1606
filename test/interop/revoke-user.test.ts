import { SYNC } from './pair.js';
import { revokeUserSuite } from './revoke-user-suite.js';

// All hundred of each: test/system/revoke-user.test.ts.
revokeUserSuite(SYNC, 5);
