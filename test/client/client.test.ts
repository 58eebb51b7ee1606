import { clientSuite } from './client-suite.js';

/** The short form of client.long.test.ts. */
clientSuite({
  modes: ['memory', 'cookie'],
  tabs: 3,
  rounds: 1,
  only: ['at expiry', 'a 429', 'the worker killed in mid-refresh, after', 'a log-out', 'one user out'],
});
