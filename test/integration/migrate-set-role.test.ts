import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrateWorld, watchedRun } from './migrate-support/world.js';

const TABLES = ['token_blacklist_outstandingtoken', 'token_blacklist_blacklistedtoken'];
const EXPIRES = 'idx_outstanding_token_expires';

/** As Vault and many a site do it: who logs in works as the owner, `ALTER ROLE login SET role = owner`. */
describe.skipIf(services().postgres === undefined)('migrate, where the login sets another role', () => {
  const world = migrateWorld();
  const suffix = randomBytes(4).toString('hex');
  const [owner, login] = [`owner_${suffix}`, `login_${suffix}`];
  const admin = services().postgres!;
  beforeAll(async () => {
    await query(admin, `CREATE ROLE ${owner} NOLOGIN; CREATE ROLE ${login} LOGIN NOINHERIT IN ROLE ${owner}`);
    await query(admin, `ALTER ROLE ${login} SET role = ${owner}`);
  });
  afterAll(() => query(admin, `DROP ROLE ${login}; DROP ROLE ${owner}`));

  let theirs: string;
  beforeEach(async () => {
    const url = new URL(world.url());
    const name = url.pathname.slice(1);
    await query(
      url.href,
      `GRANT CREATE ON DATABASE ${name} TO ${owner}; GRANT CREATE ON SCHEMA public TO ${owner}`,
    );
    for (const table of TABLES) await query(url.href, `ALTER TABLE ${table} OWNER TO ${owner}`);
    await query(url.href, `GRANT SELECT ON auth_user TO ${owner}`);
    url.username = login;
    theirs = url.href;
  });

  const indexes = () =>
    query(world.url(), 'SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)', [EXPIRES]);
  /** What a build waits for at its end: a snapshot that is older. */
  const holdSnapshot = () =>
    world.open('report', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM auth_user');

  it('is interrupted in the midst of a build, and leaves no index behind', async () => {
    await holdSnapshot();
    const stopped = new AbortController();
    const { done, seen, events } = watchedRun(theirs, { names: [EXPIRES], signal: stopped.signal });
    const { blockers } = await seen('index_waiting');
    expect(blockers).toMatchObject([{ application: 'report' }]);
    stopped.abort();
    await expect(done).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(events.map(({ event }) => event)).not.toContain('unwatched');
    expect(await indexes()).toEqual([]);
    await world.letGo();
  });

  it('gives up after --max-wait', async () => {
    await holdSnapshot();
    const { done } = watchedRun(theirs, { names: [EXPIRES], maxWaitMs: 1_000 });
    await expect(done).rejects.toMatchObject({ code: 'GAVE_UP' });
    expect(await indexes()).toEqual([]);
    await world.letGo();
  });

  it('makes objects of the owner, not of who logged in', async () => {
    await watchedRun(theirs, {}).done;
    expect(
      await query(
        world.url(),
        `SELECT DISTINCT pg_get_userbyid(relowner)::text AS owner FROM pg_class
          WHERE relnamespace = 'carelink'::regnamespace OR relname = $1`,
        [EXPIRES],
      ),
    ).toEqual([{ owner }]);
  });
});
