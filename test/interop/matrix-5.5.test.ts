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
import { send } from './http.js';
import { cases } from './matrix/all.js';
import { departures } from './matrix/departures.js';
import { expected, normalOfOurs } from './matrix/normal.js';
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

  const departing = departures('5.5');

  for (const one of cases) {
    test(one.name, async () => {
      const theirs = record[one.name]!;
      const answered = normalOfOurs(await send(ours.url, await one.message(given)));
      const departure = departing.get(one.name);
      expect(answered).toEqual(expected(theirs, departure, '5.5'));
      // A departure that is none any more is to be taken out.
      if (departure) expect(answered).not.toEqual(theirs);
    });
  }

  test('every departure is of a case', () => {
    const names = new Set(cases.map(({ name }) => name));
    expect([...departing.keys()].filter((name) => !names.has(name))).toEqual([]);
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
