import { clientSuite } from './client-suite.js';

/** Every scenario in every storage mode, 20 times. */
clientSuite('WebKit', { tabs: 3, rounds: Number(process.env['ROUNDS'] ?? 20) });
