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
import { readRecord } from './matrix/record.js';
import { world, type World } from './matrix/world.js';
import { startMigrated, type Instances, type Mode } from './pair.js';

const record = readRecord();

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
      compat: '5.5',
      given: () => given,
      theirs: ({ name }) => record[name]!,
      url: () => ours.url,
    });
  });
}
