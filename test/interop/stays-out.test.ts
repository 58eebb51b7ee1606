/** What was ended stays ended, whoever cleans up. */
import { SYNC } from './pair.js';
import { lengthenedSuite, naiveDatesSuite } from './stays-out-suite.js';

lengthenedSuite(SYNC);
naiveDatesSuite(['America/New_York'], SYNC);
