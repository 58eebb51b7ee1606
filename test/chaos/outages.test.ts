import { SETTINGS } from './outages.js';
import { describeOutages } from './outages-suite.js';

// Servers take longer to start than to break: what may be forgotten is forgotten by the same four.
describeOutages(
  [
    { names: ['kill -9 of an instance'], setting: SETTINGS['kill -9 of an instance'] },
    {
      names: [
        'kill -9 of Redis, without its data',
        'FLUSHALL',
        'Redis paused',
        'one instance cut off from Redis',
      ],
      setting: SETTINGS['one instance cut off from Redis'],
    },
  ],
  1,
);
