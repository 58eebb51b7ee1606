import { describeSoak } from './soak-suite.js';

describeSoak({ users: 60, hours: 7, hourMs: 800, meanRate: 20 }, false);
