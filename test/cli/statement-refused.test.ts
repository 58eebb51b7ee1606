import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { startBouncer } from '../support/pgbouncer.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { run, type Finished } from './run.js';

describe.skipIf(services().postgres === undefined)('a command whose statement PostgreSQL refuses', () => {
  let database: FreshDatabase;
  let userId: string;
  beforeAll(async () => {
    database = await migratedDatabase();
    const users = await createUsers(database.url, 1);
    await issueTokens(database.url, users);
    userId = String(users[0]);
  });
  afterAll(() => database.drop());

  const told = ({ code, stderr }: Finished) => [code, stderr.trim()] as const;

  it('says that the server takes no writes, and whose address to give', async () => {
    const readOnly = `${database.url}?options=-c%20default_transaction_read_only%3Don`;
    const [code, said] = told(await run(['revoke', '--user', userId, '--yes', '--database-url', readOnly]));
    expect(code).toBe(4);
    expect(said).toMatch(
      /^error: DATABASE_REFUSED: .*takes no writes.*--database-url of the primary.*\(25006\)$/,
    );
  });

  it('names the grants that a role lacks', async () => {
    const role = `stranger_${process.pid}_letters`;
    await query(database.url, `CREATE ROLE ${role} LOGIN`);
    try {
      const url = new URL(database.url);
      url.username = role;
      const [code, said] = told(await run(['dead-letters', '--database-url', url.href]));
      expect(code).toBe(4);
      expect(said).toMatch(/^error: GRANTS_MISSING: /);
      expect(said).toContain(`migrate grants --role ${role}`);
    } finally {
      await query(database.url, `DROP ROLE ${role}`);
    }
  });

  it.skipIf(services().pgbouncer === undefined)(
    'says what is wrong with a PgBouncer that pools by statement, and not that nobody answers',
    async () => {
      const bouncer = await startBouncer(database.url, { pool_mode: 'statement' });
      try {
        const args = ['revoke', '--user', userId, '--yes', '--database-url', bouncer.url];
        const [code, said] = told(await run(args));
        expect(code).toBe(4);
        expect(said).toMatch(/^error: POOLER: .*pool_mode = transaction/);
      } finally {
        await bouncer.stop();
      }
    },
  );
});
