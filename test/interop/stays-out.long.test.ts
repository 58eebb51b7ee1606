/** The same for claims in Redis, for sliding tokens, and for zones on both sides of UTC. */
import { ASYNC, MODES } from './pair.js';
import { lengthenedSuite, naiveDatesSuite, slidingSuite } from './stays-out-suite.js';

lengthenedSuite(ASYNC);
slidingSuite();
naiveDatesSuite(['America/New_York'], ASYNC);
naiveDatesSuite(['Asia/Tokyo', 'America/St_Johns'], MODES);
