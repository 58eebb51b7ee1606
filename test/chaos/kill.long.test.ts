import { describeKills } from './kill-suite.js';

describeKills(20);
