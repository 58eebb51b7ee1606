import { describeSoak } from './soak-suite.js';

describeSoak({ users: 60, hours: 7, hourMs: 500, meanRate: 20, judged: false });
