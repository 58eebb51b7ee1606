import { describeStalledCommits } from './stalled-suite.js';

describeStalledCommits(4 * 60_000);
