import { SYNC } from './pair.js';
import { revokeSuite } from './revoke-suite.js';

revokeSuite(SYNC);
