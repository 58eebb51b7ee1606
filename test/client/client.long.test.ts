import { MODES } from './support/world.js';
import { clientSuite } from './client-suite.js';

/** A ward's browser: 20 tabs with 10 requests each, every mishap 20 times. */
clientSuite({ modes: MODES, tabs: 20, rounds: 20 });
