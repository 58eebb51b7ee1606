import { describe } from 'vitest';
import { cleanupWorld } from '../integration/cleanup-support/world.js';
import { services } from '../support/services.js';
import { killSuite } from './cleanup-kill-suite.js';

describe.skipIf(services().postgres === undefined)('cleanup, killed with -9', () => {
  killSuite(cleanupWorld(), { kills: 20, waitOutLease: true });
});
