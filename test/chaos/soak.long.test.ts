import { describeSoak } from './soak-suite.js';

describeSoak({ users: 200, hours: 24, hourMs: 10_000, meanRate: 45, judged: true });
