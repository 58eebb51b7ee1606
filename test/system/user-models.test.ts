/** Ten user models of real Django sites: who may not use the API doesn't refresh either, in sync and async. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blacklistFor } from '../../src/compose/needs.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { PgChangeFeed } from '../../src/store/change-feed.js';
import { askOf } from '../../src/store/database.js';
import { checkRights } from '../../src/store/rights.js';
import { readSchema } from '../../src/store/schema.js';
import { probeUserView } from '../../src/store/user-probe.js';
import type { UserOptions } from '../../src/store/user-source.js';
import { testDatabase } from '../support/database.js';
import type { Conversation } from '../support/django/process.js';
import { startConversation, type Variant } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startRedis, until, type RedisServer } from '../support/redis.js';
import { startInstance, type Instance } from '../support/rotation.js';
import { rotated } from '../support/rotation-world.js';
import { services } from '../support/services.js';

interface Model {
  readonly title: string;
  readonly variant: Variant;
  /** Fields of a user beside the username, in Python; n is a number. */
  readonly fields?: string;
  readonly idField?: string;
  readonly rule?: string;
  /** What the site has besides. */
  readonly sql?: string;
  /** What keeps a user out, in Python; the site's table of users says more than one thing as a rule. */
  readonly gone: Readonly<Record<string, (pk: string) => string>>;
  /** Why it doesn't start as it is; undefined: it does. */
  readonly refused?: RegExp;
  /** What an operator gives then. */
  readonly users?: Partial<UserOptions>;
  /** What he runs first. */
  readonly mend?: string;
}

const deleted = (pk: string) => `User.objects.get(pk=${pk}).delete()`;
const set = (fields: string) => (pk: string) => `User.objects.filter(pk=${pk}).update(${fields})`;
const deactivated = set('is_active=False');

const MODELS: readonly Model[] = [
  { title: 'auth_user', variant: 'auth', gone: { deactivated, deleted } },
  {
    title: 'a uuid key called uuid',
    variant: 'keyed_by_uuid',
    idField: 'uuid',
    gone: { deactivated, deleted },
  },
  {
    title: 'an e-mail key, and no column is_active',
    variant: 'mail',
    fields: 'email=f"nurse{n}@example.org"',
    idField: 'email',
    gone: { deleted },
    refused: /has no column is_active.*--user-check exists/s,
    users: { userCheck: 'exists' },
  },
  {
    title: 'a text key',
    variant: 'code',
    fields: 'username=f"nurse{n}", code=f"n-{n}"',
    idField: 'code',
    gone: { deactivated, deleted },
  },
  { title: 'is_active smallint', variant: 'smallint', gone: { deactivated: set('is_active=0'), deleted } },
  {
    title: 'a child of multi-table inheritance',
    variant: 'nurse',
    gone: {
      deactivated,
      deleted,
      deletedChild: (pk) => `User.objects.get(pk=${pk}).delete(keep_parents=True)`,
    },
    refused: /people_nurse has no column is_active.*inherits that from .*people_employee/s,
    mend: `CREATE VIEW carelink_users AS
             SELECT n.employee_ptr_id AS id, e.is_active FROM people_nurse n JOIN people_employee e ON e.id = n.employee_ptr_id`,
    users: { userTable: 'carelink_users' },
  },
  {
    title: 'users in another schema',
    variant: 'bigint',
    sql: 'CREATE SCHEMA hr; ALTER TABLE people_bigintuser SET SCHEMA hr',
    gone: { deactivated, deleted },
  },
  {
    title: 'soft deletion by a manager',
    variant: 'soft',
    gone: { deactivated, softDeleted: set('deleted_at=timezone.now()'), deleted },
    refused: /has the column deleted_at .*--user-table carelink_users/s,
    mend: `CREATE VIEW carelink_users AS
             SELECT id, is_active AND deleted_at IS NULL AS is_active FROM people_softuser`,
    users: { userTable: 'carelink_users' },
  },
  {
    title: 'a rule over another table',
    variant: 'auth',
    rule: 'people.models.is_not_locked',
    gone: {
      deactivated,
      deleted,
      locked: (pk) =>
        `Lock.objects.create(user_id=${pk}, until=timezone.now() + timezone.timedelta(hours=1)).pk`,
    },
    mend: `CREATE VIEW carelink_users AS
             SELECT u.id, u.is_active AND NOT EXISTS (
                      SELECT FROM people_lock l WHERE l.user_id = u.id AND l.until > now()) AS is_active
               FROM auth_user u`,
    users: { userTable: 'carelink_users' },
  },
  {
    title: 'row-level security on users',
    variant: 'auth',
    sql: 'ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY',
    gone: { deactivated, deleted },
    refused: /Row-level security hides rows of public.auth_user/,
    mend: 'ALTER ROLE carelink_ten_models BYPASSRLS',
  },
];

const ROLE = 'carelink_ten_models';
const AUTO: UserOptions = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
};
const { postgres, redis: redisServer, django } = services();
const ready = postgres !== undefined && redisServer !== undefined && django;

describe.skipIf(!ready).each(MODELS)('$title', (model) => {
  let database: FreshDatabase;
  let site: Conversation;
  let redis: RedisServer;
  let url: string;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    await query(
      database.url,
      // Django finds its table by the search path, as a site with such a schema has it.
      `ALTER DATABASE "${new URL(database.url).pathname.slice(1)}" SET search_path = public, hr`,
    );
    const { variant, idField = 'id', rule } = model;
    const env = { DJANGO_USER_ID_FIELD: idField, ...(rule !== undefined && { DJANGO_USER_RULE: rule }) };
    [site, redis] = await Promise.all([
      startConversation({ database: database.url, variant, env }),
      startRedis(),
    ]);
    if (model.sql !== undefined) await query(database.url, model.sql);
    await query(database.url, `CREATE ROLE ${ROLE} LOGIN`);
    url = Object.assign(new URL(database.url), { username: ROLE }).href;
  });
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
    await Promise.all([site.stop(), redis.stop()]);
    await query(database.url, `DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}`);
    await database.drop();
  });

  /** Made by Django, with a pair as its log-in gives it. */
  let made = 0;
  const login = async (): Promise<{ pk: string; refresh: string; access: string }> => {
    const fields = (model.fields ?? 'username=f"nurse{n}"').replaceAll('{n}', String(++made));
    const pk = await site.ask<string>(`repr(User.objects.create(${fields}).pk)`);
    const key = pk.replace(/^UUID\((.*)\)$/, '$1');
    return {
      pk: key,
      ...(await site.ask<{ refresh: string; access: string }>(`mint(User.objects.get(pk=${key}))`)),
    };
  };
  const grant = () =>
    query(
      database.url,
      `GRANT USAGE ON SCHEMA public, carelink TO ${ROLE};
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, carelink TO ${ROLE};
       GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${ROLE};
       DO $$ BEGIN IF to_regnamespace('hr') IS NOT NULL THEN
         GRANT USAGE ON SCHEMA hr TO ${ROLE}; GRANT SELECT ON ALL TABLES IN SCHEMA hr TO ${ROLE};
       END IF; END $$`,
    );
  /** What a server's start asks. */
  const start = async (users: UserOptions): Promise<unknown> => {
    const pool = testDatabase(url, { size: 1 });
    try {
      const schema = await readSchema(pool, users);
      await checkRights(askOf(pool), schema, ['serve']);
      await probeUserView(askOf(pool), schema);
      return 'started';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await pool.end();
    }
  };

  it('starts only as it can be kept; then who the API refuses is refused, and nobody else', async () => {
    const users = { ...AUTO, ...model.users };
    await applyMigrations(database.url, { createTables: false, notify: false });
    await grant();
    if (model.refused !== undefined) expect(await start(AUTO)).toMatch(model.refused);
    if (model.mend !== undefined) await query(database.url, model.mend);
    await applyMigrations(database.url, { createTables: false, notify: true, users });
    await grant();
    expect(await start(users)).toBe('started');

    const pool = testDatabase(url, { size: 2 });
    closing.push(() => pool.end());
    const schema = await readSchema(pool, users);
    const blacklist = blacklistFor({ rotation: { blacklist: 'auto' } as never }, schema);
    expect(blacklist).toBe(schema.users?.kind === 'view' ? 'sync' : 'auto');
    const feed = new PgChangeFeed({
      connection: url,
      database: pool,
      schema,
      monotonicMs: () => performance.now(),
      random: Math.random,
      onChange: () => undefined,
    });
    const told: string[] = [];
    const hear = { onAlive: () => undefined, onLost: () => told.push('anything') };
    feed.subscribe({ ...hear, onChange: (change) => change.kind === 'user' && told.push(change.userKey) });
    feed.start();
    closing.push(() => feed.stop());
    const opened = { users, userCheck: users.userCheck };
    const sync = await startInstance(url, opened);
    const shared = await startInstance(url, { ...opened, shared: { port: redis.port, blacklist, feed } });
    closing.push(
      () => sync.close(),
      () => shared.close(),
    );
    const mode = blacklist === 'sync' ? 'sync' : 'async';
    if (mode === 'async') await until(() => Promise.resolve(feed.alive));
    await until(() => Promise.resolve(shared.status()?.mode === mode));
    // Only tokens that are made from a second after the start on are claimed in Redis: one is, before it is asked.
    if (mode === 'async') await until(() => isClaimedInRedis(shared));

    for (const [name, instance] of Object.entries({ sync, shared }))
      await refuses(name, instance, mode, told);
  });

  async function isClaimedInRedis({ service, written }: Instance): Promise<boolean> {
    const { refresh } = await login();
    await service.refresh(rotated(await service.refresh(refresh)).refresh);
    return written.includes('written');
  }

  async function refuses(name: string, instance: Instance, mode: string, told: string[]): Promise<void> {
    const refresh = async (token: string) => instance.service.refresh(token);
    const stays = await login();
    let current = rotated(await refresh(stays.refresh)).refresh;
    for (const [how, python] of Object.entries(model.gone)) {
      const goes = await login();
      const next = rotated(await refresh(goes.refresh));
      const outside = await login();
      // The tokens are good until then, by Django's own judgement.
      expect(await site.ask(`accepts("${next.access}")`), how).toBe(true);
      told.length = 0;
      await site.ask(python(goes.pk));
      await site.ask(python(outside.pk));
      if (name === 'shared' && mode === 'async') await until(() => Promise.resolve(told.length >= 2));
      expect(await site.ask(`accepts("${next.access}")`), how).toBe(false);
      expect([how, (await refresh(next.refresh)).kind, (await refresh(outside.refresh)).kind]).toEqual([
        how,
        'inactive',
        'inactive',
      ]);
      const kept = rotated(await refresh(current));
      expect(await site.ask(`accepts("${kept.access}")`), how).toBe(true);
      current = kept.refresh;
    }
  }
});
