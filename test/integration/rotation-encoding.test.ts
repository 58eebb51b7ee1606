import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  type FreshDatabase,
} from '../support/postgres.js';
import { startInstance, type Instance } from '../support/rotation.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('a database that is LATIN1', () => {
  let database: FreshDatabase;
  let instance: Instance;
  beforeAll(async () => {
    database = await freshDatabase(undefined, { encoding: 'LATIN1' });
    await createSimplejwtTables(database.url);
    await applyMigrations(database.url, { createTables: false });
    instance = await startInstance(database.url);
  });
  afterAll(async () => {
    await instance.close();
    await database.drop();
  });

  it('refuses a signed token whose id it can not hold, and those beside it are refreshed', async () => {
    const [userId = 1] = await createUsers(database.url, 1);
    const good = mintRefresh({ userId });
    await insertOutstanding(database.url, [good]);
    const bad = mintRefresh({ userId, jti: '\u20ac\u4e16' });
    const outcomes = await Promise.all([bad, good].map(({ token }) => instance.service.refresh(token)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['invalid', 'rotated']);
    expect(await instance.service.verify(bad.token)).toMatchObject({ kind: 'invalid' });
    expect(await instance.service.logout(bad.token)).toMatchObject({ kind: 'invalid' });
  });
});
