import { soak } from './dashboard-soak-suite.js';

/** MINUTES: a shorter run, for whoever only wants to see it work. */
soak(Number(process.env['MINUTES'] ?? 10), 5);
