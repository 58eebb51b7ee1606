import { describeKills } from './embedded-kill-suite.js';

describeKills(10);
