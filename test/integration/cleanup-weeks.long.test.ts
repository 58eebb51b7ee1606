import { afterAll, beforeAll, describe } from 'vitest';
import { services } from '../support/services.js';
import { BEGINNING, weeksSuite } from './cleanup-support/weeks-suite.js';
import { startWorld, type CleanupWorld } from './cleanup-support/world.js';

describe.skipIf(services().postgres === undefined)('six weeks with cleanup on', () => {
  let world: CleanupWorld;
  beforeAll(async () => {
    world = await startWorld({ users: false }, { clock: BEGINNING });
  });
  afterAll(() => world.stop());
  weeksSuite(() => world, { rowsADay: 20_000, autovacuum: false });
});
