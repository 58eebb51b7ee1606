import { MODES } from './support/world.js';
import { clientSuite } from './client-suite.js';

clientSuite({ modes: MODES, tabs: 3, rounds: 1 });
