import { describeRefusals } from './refused-suite.js';

describeRefusals(1);
