import { BREAKS, type BreakName } from './outages.js';
import { describeOutages } from './outages-suite.js';

describeOutages(Object.keys(BREAKS) as BreakName[], 10);
