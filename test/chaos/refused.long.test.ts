import { describeRefusals } from './refused-suite.js';
import { SERVERS } from './theatre.js';

// What Redis knew goes, and an instance dies: the letters are all that says that their tokens are spent.
describeRefusals(10, async ({ fleet, redis }, n) => {
  if (n % 2 === 0) await fleet.replace(n % SERVERS);
  if (n % 3 === 0) await redis.cli('FLUSHALL');
});
