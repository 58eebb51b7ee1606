import { describeOneWinner } from './one-winner-suite.js';

describeOneWinner(40, 'Redis');
