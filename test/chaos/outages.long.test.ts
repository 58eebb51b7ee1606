import { type BreakName, SETTINGS } from './outages.js';
import { describeOutages } from './outages-suite.js';

describeOutages(
  Object.entries(SETTINGS).map(([name, setting]) => ({ names: [name as BreakName], setting })),
  10,
);
