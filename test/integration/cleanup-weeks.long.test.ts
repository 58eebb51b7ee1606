import { weeksSuite } from './cleanup-support/weeks-suite.js';

weeksSuite({ rowsADay: 20_000, autovacuum: false });
