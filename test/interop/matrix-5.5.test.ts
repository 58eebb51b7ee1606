/** `--simplejwt-compat 5.5`, the default, against what simplejwt 5.5.1 answered to the same requests. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import { compareCases } from './matrix/compare.js';
import { ask, readRecord, writeRecord } from './matrix/record.js';
import { world, type World } from './matrix/world.js';
import { MODES, startMigrated, type Instances } from './pair.js';

const record = readRecord();

describe.skipIf(!services().postgres).each(MODES)('answers as simplejwt 5.5.1 does, $mode', (options) => {
  let database: FreshDatabase;
  let ours: Instances;
  let given: World;

  beforeAll(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
    const [active, inactive] = await createUsers(database.url, 2);
    await query(database.url, 'UPDATE auth_user SET is_active = false WHERE id = $1', [inactive]);
    ours = await startMigrated(database.url, options);
    given = world(database.url, { active: Number(active), inactive: Number(inactive), unknown: 999_999 });
  });
  afterAll(async () => {
    await ours.close();
    await database.drop();
  });

  compareCases({
    compat: '5.5',
    given: () => given,
    theirs: ({ name }) => record[name]!,
    url: () => ours.url,
  });
});

/**
 * The directory of simplejwt's sources at v5.5.1, where there is one: the record is then held against them, and
 * written anew with RECORD=1.
 */
const source = process.env['SIMPLEJWT_5_5_SOURCE'];
if (source !== undefined) {
  test('the record is what simplejwt 5.5.1 answers', async () => {
    const asked = await ask(source);
    if (process.env['RECORD'] === '1') writeRecord(asked);
    expect(asked).toEqual(record);
  });
}
