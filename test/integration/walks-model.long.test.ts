import { describe } from 'vitest';
import { services } from '../support/services.js';
import { walksModelSuite } from './walks-model-suite.js';

describe.skipIf(services().postgres === undefined)(
  'a walk, against one that looks at each token, for long',
  () => {
    walksModelSuite(300);
  },
);
