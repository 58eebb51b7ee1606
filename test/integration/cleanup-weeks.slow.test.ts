import { weeksSuite } from './cleanup-support/weeks-suite.js';

weeksSuite({ rowsADay: 500, autovacuum: true });
