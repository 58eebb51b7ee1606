import { afterAll, beforeAll, describe } from 'vitest';
import { startWorld, type CleanupWorld } from '../integration/cleanup-support/world.js';
import { services } from '../support/services.js';
import { besideSuite } from './cleanup-beside-suite.js';

describe.skipIf(services().postgres === undefined)(
  'cleanup beside sessions that blacklist what it takes',
  () => {
    let world: CleanupWorld;
    beforeAll(async () => {
      world = await startWorld();
    });
    afterAll(() => world.stop());

    besideSuite(() => world, { batches: 1_000 });
  },
);
