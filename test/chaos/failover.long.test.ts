import { describeFailovers } from './failover-suite.js';

describeFailovers(10, [
  { replication: 'asynchronous', blacklist: 'sync' },
  { replication: 'asynchronous', blacklist: 'auto' },
  { replication: 'synchronous', blacklist: 'sync' },
  { replication: 'synchronous', blacklist: 'auto' },
]);
