import { clientSuite } from './client-suite.js';
import { HANDOVERS } from './support/handover.js';
import { MISHAPS } from './support/scenarios.js';

/** The short form of chromium.long.test.ts. */
clientSuite('Chromium', { tabs: 2, rounds: 1, inTurn: [...HANDOVERS, ...MISHAPS] });
