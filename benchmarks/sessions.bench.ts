/** How long it takes to tell a user's sessions out of ten million rows: of one who has a few hundred, and of one who has 100,000. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionsOfUser } from '../src/compose/sessions.js';
import { sessionsSettings } from '../src/config/sessions-settings.js';
import { readSchema } from '../src/store/schema.js';
import { userRowsSql } from '../src/sessions/rows.js';
import { plantCrowd } from '../test/support/crowd.js';
import { testDatabase } from '../test/support/database.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
} from '../test/support/postgres.js';
import { services } from '../test/support/services.js';
import { source } from '../test/unit/config/source.js';
import { migrateDatabase } from './support/migrate.js';

const ROWS = Number(process.env['ROWS'] ?? 10_000_000);
const USERS = ROWS / 500;
const BUSY_ROWS = Math.min(100_000, ROWS / 10);
const ROUNDS = 20;

describe.skipIf(services().postgres === undefined)(`sessions of one user, of ${ROWS} rows`, () => {
  let database: FreshDatabase;
  let busy: number | string;
  beforeAll(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
    await createUsers(database.url, USERS);
    [busy = 0] = await createUsers(database.url, 1);
    await plantCrowd(database.url, { rows: ROWS, users: USERS, busyUserId: busy, busyRows: BUSY_ROWS });
    await migrateDatabase(database.url);
    await query(database.url, 'VACUUM ANALYZE');
  }, 3_600_000);
  afterAll(() => database.drop());

  it.each(['a usual user', 'a user of many rows'])(
    '%s',
    async (whose) => {
      const pool = testDatabase(database.url, { size: 1 });
      const schema = await readSchema(pool, {
        userCheck: 'auto',
        userTable: undefined,
        userIdColumn: undefined,
        userActiveColumn: 'is_active',
      });
      await pool.end();
      const users = Array.from({ length: ROUNDS }, (_, n) =>
        whose === 'a usual user' ? 1 + n * 7 : Number(busy),
      );
      const statementMs: number[] = [];
      const wholeMs: number[] = [];
      for (const user of users) {
        const [row] = await query<{ 'QUERY PLAN': [{ 'Execution Time': number; Plan: object }] }>(
          database.url,
          `EXPLAIN (ANALYZE, FORMAT JSON) ${userRowsSql(schema)}`,
          [String(user), 0, 100_001],
        );
        const [plan] = row!['QUERY PLAN'];
        expect(JSON.stringify(plan.Plan)).not.toContain('Seq Scan');
        statementMs.push(plan['Execution Time']);
        const settings = sessionsSettings({ 'database-url': database.url, user: String(user) }, source());
        const beganMs = performance.now();
        const { live } = await sessionsOfUser(settings, () => undefined);
        wholeMs.push(performance.now() - beganMs);
        expect(live).toBeGreaterThan(0);
      }
      const told = (all: number[]) => {
        const [first] = all;
        const sorted = [...all].sort((a, b) => a - b);
        return `first ${first!.toFixed(1)} ms, median ${sorted[ROUNDS / 2]!.toFixed(1)} ms, most ${sorted.at(-1)!.toFixed(1)} ms`;
      };
      console.log(
        `${whose}: statement ${told(statementMs)}; all of it, connecting included: ${told(wholeMs)}`,
      );
    },
    600_000,
  );
});
