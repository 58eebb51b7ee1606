import { describeOneWinner } from './one-winner-suite.js';

describeOneWinner(20, 'Redis');
