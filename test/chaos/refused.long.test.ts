import { describeRefusals } from './refused-suite.js';
import { SERVERS } from './theatre.js';

// What Redis knew goes, or an instance dies: the letters are all that says that their tokens are spent. Not both in one
// round: what an instance has just answered is in its memory and in Redis, and lost with the two (docs/reliability.md).
describeRefusals(10, async ({ fleet, redis }, n) => {
  if (n % 3 === 0) await redis.cli('FLUSHALL');
  if (n % 3 === 1) await fleet.replace(n % SERVERS);
});
