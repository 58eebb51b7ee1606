import { describeStalledCommits } from './stalled-suite.js';

describeStalledCommits(8_000);
