import { describeOutages } from './outages-suite.js';

describeOutages(
  [
    'kill -9 of an instance',
    'kill -9 of Redis, without its data',
    'FLUSHALL',
    'Redis paused',
    'one instance cut off from Redis',
  ],
  1,
);
