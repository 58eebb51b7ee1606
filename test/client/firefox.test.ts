import { ALL, clientSuite } from './client-suite.js';

/** The short form of firefox.long.test.ts. */
clientSuite('Firefox', { tabs: 2, rounds: 1, inTurn: ALL });
