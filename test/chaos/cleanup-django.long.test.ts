import { describe } from 'vitest';
import { services } from '../support/services.js';
import { djangoSuite } from './cleanup-django-suite.js';

const { django, postgres } = services();

describe.skipIf(!django || postgres === undefined)('cleanup beside a Django that blacklists its rows', () => {
  djangoSuite({ batches: 3_000 });
});
