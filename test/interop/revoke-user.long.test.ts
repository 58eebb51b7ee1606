import { ASYNC, SYNC } from './pair.js';
import { revokeUserSuite } from './revoke-user-suite.js';

revokeUserSuite(SYNC, 100);

// A second for each: what Django does is known to every server by then.
revokeUserSuite(ASYNC, 30);
