import { describe } from 'vitest';
import { services } from '../support/services.js';
import { modelSuite } from './cleanup-support/model-suite.js';

describe.skipIf(services().postgres === undefined)('cleanup, against an oracle', () => {
  modelSuite(60);
});
