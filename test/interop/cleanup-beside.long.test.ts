import { describe } from 'vitest';
import { cleanupWorld } from '../integration/cleanup-support/world.js';
import { services } from '../support/services.js';
import { besideSuite } from './cleanup-beside-suite.js';

describe.skipIf(services().postgres === undefined)('cleanup beside sessions that blacklist its rows', () => {
  besideSuite(cleanupWorld(), { batches: 1_000 });
});
