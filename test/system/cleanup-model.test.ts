import { describe } from 'vitest';
import { services } from '../support/services.js';
import { modelSuite } from '../integration/cleanup-support/model-suite.js';

describe.skipIf(services().postgres === undefined)('cleanup, against an oracle', () => {
  modelSuite(150);
});
