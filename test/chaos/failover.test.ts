import { describeFailovers } from './failover-suite.js';

describeFailovers(1, [
  { replication: 'asynchronous', blacklist: 'sync' },
  { replication: 'asynchronous', blacklist: 'auto' },
  { replication: 'synchronous', blacklist: 'sync' },
]);
