import { clientSuite } from './client-suite.js';
import { MISHAPS } from './support/scenarios.js';

/** A ward's browser: 20 tabs with 10 requests each, every mishap 20 times. */
clientSuite('Chromium', { scenarios: MISHAPS, tabs: 20, rounds: 20 });
