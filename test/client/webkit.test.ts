import { ALL, clientSuite } from './client-suite.js';

/** The short form of webkit.long.test.ts. */
clientSuite('WebKit', { tabs: 2, rounds: 1, inTurn: ALL });
