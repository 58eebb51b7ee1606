import { describe } from 'vitest';
import { freshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { coverageSuite } from './migrate-support/coverage-suite.js';

describe.skipIf(services().postgres === undefined)('coverage on PostgreSQL', () => {
  coverageSuite(async () => {
    const database = await freshDatabase();
    return { connection: database.url, stop: () => database.drop() };
  });
});
