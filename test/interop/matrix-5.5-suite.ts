/** `--simplejwt-compat 5.5`, the default, against what simplejwt 5.5.1 answered to the same requests. */
import { afterAll, beforeAll, describe } from 'vitest';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import { compareCases } from './matrix/compare.js';
import { cases } from './matrix/all.js';
import type { Case } from './matrix/case.js';
import { readHeadRecord, readRecord } from './matrix/record.js';
import { world, type World } from './matrix/world.js';
import { startMigrated, type Instances, type Mode } from './pair.js';

const record = readRecord();
const head = readHeadRecord();

export function recordedMatrixSuite(modes: readonly Mode[]): void {
  describe.skipIf(!services().postgres).each(modes)('answers as simplejwt 5.5.1 does, $mode', (options) => {
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
      asked: '5.5',
      given: () => given,
      theirs: ({ name }) => record[name]!,
      url: () => ours.url,
    });

    // What the head of simplejwt answers otherwise than 5.5.1; all else it answers alike.
    describe('and as its head does, where that answers otherwise', () => {
      const sides = { given: () => given, url: () => ours.url, theirs: ({ name }: Case) => head[name]! };
      compareCases(
        { asked: 'head', ...sides },
        cases.filter(({ name }) => head[name] !== undefined),
      );
    });
  });
}
