import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { examine } from '../../src/compose/doctor.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';
import { openClient, query } from '../support/postgres.js';
import type { FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

describe.skipIf(services().postgres === undefined)(
  'doctor, of what a database administrator looks at',
  () => {
    let database: FreshDatabase;
    beforeAll(async () => {
      database = await migratedDatabase();
    });
    afterAll(() => database.drop());

    const look = async (check: string) => {
      const source = { env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }, cwd: '/', readFile: () => '' };
      const all = await examine(doctorSettings({ 'database-url': database.url }, source));
      const { status, findings } = all.find((one) => one.check === check)!;
      return { status, says: findings.map(({ what, mend }) => `${what} -> ${mend}`).join('\n') };
    };

    it.each([
      {
        check: 'durable',
        breaks: `ALTER TABLE ${BLACKLISTED} SET UNLOGGED`,
        mends: `ALTER TABLE ${BLACKLISTED} SET LOGGED`,
        status: 'fault',
        says: /blacklistedtoken is UNLOGGED: after a crash it is empty.*SET LOGGED/,
      },
      {
        check: 'foreign_key',
        breaks: `ALTER TABLE ${BLACKLISTED} DROP CONSTRAINT ${BLACKLISTED}_token_id_3cc7fe56_fk`,
        mends: `ALTER TABLE ${BLACKLISTED} ADD CONSTRAINT ${BLACKLISTED}_token_id_3cc7fe56_fk FOREIGN KEY (token_id)
                REFERENCES ${OUTSTANDING} (id) DEFERRABLE INITIALLY DEFERRED`,
        status: 'warning',
        says: /There is no foreign key from .*token_id.*ADD FOREIGN KEY/,
      },
      {
        check: 'autovacuum',
        breaks: `ALTER TABLE ${OUTSTANDING} SET (autovacuum_enabled = off)`,
        mends: `ALTER TABLE ${OUTSTANDING} RESET (autovacuum_enabled)`,
        status: 'warning',
        says: /autovacuum is off for token_blacklist_outstandingtoken.*RESET \(autovacuum_enabled\)/,
      },
      {
        check: 'sequences',
        breaks: `ALTER SEQUENCE ${BLACKLISTED}_id_seq MAXVALUE 1000 RESTART 950`,
        mends: `ALTER SEQUENCE ${BLACKLISTED}_id_seq NO MAXVALUE RESTART 1`,
        status: 'warning',
        says: /blacklistedtoken_id_seq is near its end: it gives 950 next, and 1000 is the last id/,
      },
      {
        check: 'row_triggers',
        breaks: `CREATE RULE deaf AS ON INSERT TO ${BLACKLISTED} DO INSTEAD NOTHING`,
        mends: `DROP RULE deaf ON ${BLACKLISTED}`,
        status: 'fault',
        says: /The rule deaf does something else INSTEAD of INSERT on token_blacklist_blacklistedtoken.*DROP RULE deaf/,
      },
      {
        check: 'row_triggers',
        breaks: `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
               CREATE TRIGGER keeps BEFORE DELETE ON ${OUTSTANDING} FOR EACH ROW EXECUTE FUNCTION keep()`,
        mends: 'DROP FUNCTION keep() CASCADE',
        status: 'note',
        says: /The trigger keeps runs before each row of token_blacklist_outstandingtoken.*See that keep\(\) returns NEW/,
      },
      {
        check: 'row_triggers',
        breaks: `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
               CREATE TRIGGER audit AFTER INSERT ON ${BLACKLISTED} FOR EACH STATEMENT EXECUTE FUNCTION refuse()`,
        mends: 'DROP FUNCTION refuse() CASCADE',
        status: 'note',
        says: /The trigger audit runs when rows of token_blacklist_blacklistedtoken are written.*look what it does \(.sf refuse\(\) in psql\).*DROP TRIGGER audit ON/,
      },
    ])('$check: $breaks', async ({ check, breaks, mends, status, says }) => {
      // Of the server that tests share autovacuum may be off.
      expect((await look(check)).says).not.toMatch(says);
      await query(database.url, breaks);
      const found = await look(check);
      await query(database.url, mends);
      expect(found).toMatchObject({ status, says: expect.stringMatching(says) as string });
    });

    it('long_transactions: one that has been open for hours', async () => {
      expect((await look('long_transactions')).status).toBe('ok');
      // A clock that is two hours ahead of the transaction's beginning: see fakeClock() of the cleanup's tests.
      const name = new URL(database.url).pathname.slice(1);
      await query(
        database.url,
        `CREATE SCHEMA fake;
       CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
         AS $$SELECT pg_catalog.clock_timestamp() + interval '2 hours'$$;
       ALTER DATABASE ${name} SET search_path = fake, pg_catalog, public`,
      );
      const forgotten = await openClient(`${database.url}?application_name=report`);
      await forgotten.query('BEGIN; SELECT 1');
      const found = await look('long_transactions');
      await forgotten.end();
      await query(database.url, `ALTER DATABASE ${name} RESET search_path`);
      expect(found).toMatchObject({
        status: 'warning',
        says: expect.stringMatching(
          /Session \d+ \(\w+, report, idle in transaction\) has been open for 2 h/,
        ) as string,
      });
    });
  },
);
