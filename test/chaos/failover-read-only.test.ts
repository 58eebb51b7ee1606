import { describeReadOnlyPrimary } from './failover-read-only-suite.js';

describeReadOnlyPrimary();
