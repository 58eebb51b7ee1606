import { clientSuite } from './client-suite.js';
import { HANDOVERS } from './support/handover.js';
import { ENDS } from './support/session-ends.js';

/** The short form of firefox.long.test.ts, without what Chromium's short form plays as well and no engine has been met to do otherwise. */
const SCENARIOS = [...ENDS, ...HANDOVERS];
clientSuite('Firefox', { scenarios: SCENARIOS, tabs: 2, rounds: 1, inTurn: SCENARIOS });
