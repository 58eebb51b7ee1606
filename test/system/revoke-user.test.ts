import { MODES } from '../interop/pair.js';
import { revokeUserSuite } from '../interop/revoke-user-suite.js';

revokeUserSuite(MODES, 100);
