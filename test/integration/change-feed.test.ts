import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { applyMigrations, readMigrationOverview, removeMigrations } from '../../src/migrate/index.js';
import type { Change } from '../../src/rotation/change-feed.js';
import { PgChangeFeed, STALE_MS, type Deafness } from '../../src/store/change-feed.js';
import type { PgDatabase } from '../../src/store/pool.js';
import { readSchema } from '../../src/store/schema.js';
import { testDatabase } from '../support/database.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
  openClient,
} from '../support/postgres.js';
import { startInstance } from '../support/rotation.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

type Heard = Change | { readonly kind: 'gap' } | { readonly kind: 'alive' };

/** Too much to be told in detail: what was heard until now is worth nothing. */
const ANYTHING: readonly Heard[] = [{ kind: 'gap' }, { kind: 'alive' }];

const told = (userKey: string | number): Heard => ({ kind: 'user', userKey: String(userKey) });

/** Only a bound against hanging. */
const PATIENCE_MS = 60_000;

async function until(done: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!done()) {
    if (Date.now() > deadlineMs) throw new Error('it did not come to be');
    await sleep(10);
  }
}

/** A way to the database on which, when it is silent, nothing is heard any more and nobody hangs up. */
async function silentNetwork(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let silent = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port === '' ? 5432 : target.port), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => {
        if (!silent) to.write(data);
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        if (!silent) to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    silence: (on: boolean) => (silent = on),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe.skipIf(services().postgres === undefined)('changes by other hands', () => {
  let database: FreshDatabase;
  let pool: PgDatabase;
  let heard: Heard[] = [];
  const states: ('alive' | Deafness)[] = [];
  const feeds: PgChangeFeed[] = [];
  const sql = (text: string, values?: unknown[]) => query(database.url, text, values);

  const open = async (
    connection = database.url,
    monotonicMs = () => performance.now(),
  ): Promise<PgChangeFeed> => {
    const schema = await readSchema(pool, {
      userCheck: 'auto',
      userTable: undefined,
      userIdColumn: undefined,
      userActiveColumn: 'is_active',
    });
    const feed = new PgChangeFeed({
      connection,
      database: pool,
      schema,
      monotonicMs,
      random: Math.random,
      onChange: (state) => states.push(state),
    });
    feeds.push(feed);
    feed.subscribe({
      onChange: (change) => heard.push(change),
      onAlive: () => heard.push({ kind: 'alive' }),
      onLost: () => heard.push({ kind: 'gap' }),
    });
    feed.start();
    return feed;
  };

  beforeAll(async () => {
    database = await migratedDatabase({ notify: true });
    pool = testDatabase(database.url, { size: 2 });
  });
  beforeEach(() => {
    heard = [];
    states.length = 0;
  });
  afterAll(async () => {
    await Promise.all(feeds.map((feed) => feed.stop()));
    await pool.end();
    await database.drop();
  });

  /** What is told of statements, up to a mark that is told after them. */
  const toldOf = async (...statements: readonly (readonly [string, unknown[]?])[]): Promise<Heard[]> => {
    if (feeds.length === 0) await open();
    await until(() => feeds[0]!.alive);
    heard = [];
    for (const [text, values] of statements) await sql(text, values);
    await sql(`SELECT pg_notify('carelink_changes', '{"users":["mark"]}')`);
    await until(() => heard.some((one) => one.kind === 'user' && one.userKey === 'mark'));
    return heard.slice(0, -1);
  };

  it('says when it begins to hear, for what happened before nobody has heard; and says so to those who come later', async () => {
    const feed = await open();
    expect([feed.alive, heard]).toEqual([false, []]);
    await until(() => feed.alive);
    expect(heard).toEqual([{ kind: 'alive' }]);
    let told = 0;
    feed.subscribe({ onChange: () => undefined, onAlive: () => told++, onLost: () => undefined });
    expect(told).toBe(1);
  });

  it('hear no less while somebody has locked the tables as a whole', async () => {
    const holder = await openClient(database.url);
    try {
      await holder.query(
        `BEGIN; LOCK TABLE auth_user, token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken`,
      );
      const feed = await open();
      await until(() => feed.alive);
      await feed.stop();
    } finally {
      feeds.pop();
      await holder.end();
    }
  });

  it('names the tokens that somebody blacklisted, with their users', async () => {
    const users = await createUsers(database.url, 2);
    const tokens = await issueTokens(database.url, users);
    const changes = await toldOf([
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)`,
      [tokens.map(({ jti }) => jti)],
    ]);
    expect(changes).toHaveLength(1);
    expect(new Set((changes[0] as Extract<Change, { kind: 'blacklisted' }>).tokens)).toEqual(
      new Set(tokens.map(({ jti, userId }) => ({ jti, userKey: String(userId) }))),
    );
  });

  it('is silent of rotations where it is asked to be, and tells of log-outs all the same', async () => {
    const instance = await startInstance(database.url, { quiet: true });
    try {
      const [first, second] = await issueTokens(database.url, await createUsers(database.url, 2));
      await toldOf();
      heard = [];
      expect(await instance.service.refresh(first!.token)).toMatchObject({ kind: 'rotated' });
      expect(await instance.service.logout(second!.token)).toEqual({ kind: 'logged_out' });
      await until(() => heard.length > 0);
      expect(heard).toEqual([
        { kind: 'blacklisted', tokens: [{ jti: second!.jti, userKey: String(second!.userId) }] },
      ]);
    } finally {
      await instance.close();
    }
  });

  it("tells of rotations where others may take Redis' word", async () => {
    const instance = await startInstance(database.url);
    try {
      const [login] = await issueTokens(database.url, await createUsers(database.url, 1));
      await toldOf();
      heard = [];
      expect(await instance.service.refresh(login!.token)).toMatchObject({ kind: 'rotated' });
      await until(() => heard.length > 0);
      expect(heard).toEqual([
        { kind: 'blacklisted', tokens: [{ jti: login!.jti, userKey: String(login!.userId) }] },
      ]);
    } finally {
      await instance.close();
    }
  });

  it('is silent of what is written behind', async () => {
    const [login] = await issueTokens(database.url, await createUsers(database.url, 1));
    expect(
      await toldOf([
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken
          WHERE jti = $1 AND set_config('carelink.write_behind', 'on', true) = 'on'`,
        [login!.jti],
      ]),
    ).toEqual([]);
  });

  it('cuts a long list into payloads that PostgreSQL takes, and loses none of it', async () => {
    const users = await createUsers(database.url, 1);
    const jtis = Array.from({ length: 900 }, (_, n) => `${n}`.padStart(4, '0') + '"\\ü'.repeat(20));
    await sql(
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, user_id, jti)
       SELECT 't', now(), $1, jti FROM unnest($2::text[]) AS jti`,
      [users[0], jtis],
    );
    const changes = await toldOf([
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE token = 't'`,
    ]);
    expect(changes.length).toBeGreaterThan(10);
    const told = changes.flatMap((change) => (change.kind === 'blacklisted' ? change.tokens : []));
    expect(told.map(({ jti }) => jti).sort()).toEqual([...jtis].sort());
  });

  it('says of a bulk statement only that anything may have changed', async () => {
    await sql(
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, jti)
       SELECT 'bulk', now(), md5(n::text) FROM generate_series(1, 20000) AS n`,
    );
    expect(
      await toldOf([
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE token = 'bulk'`,
      ]),
    ).toEqual(ANYTHING);
  });

  it('names users who were made inactive or active, or deleted, and none whose log-in was noted', async () => {
    const [one, two, three] = await createUsers(database.url, 3);
    const changes = await toldOf(
      ['UPDATE auth_user SET is_active = is_active'],
      ['UPDATE auth_user SET is_active = false WHERE id = $1', [one]],
      ['UPDATE auth_user SET is_active = id <> $1 WHERE id IN ($1, $2)', [two, three]],
      ['UPDATE auth_user SET is_active = true WHERE id = $1', [one]],
      ['DELETE FROM auth_user WHERE id IN ($1, $2)', [one, three]],
    );
    expect(changes.slice(0, 3)).toEqual([one, two, one].map((id) => told(id!)));
    expect(new Set(changes.slice(3))).toEqual(new Set([one, three].map((id) => told(id!))));
  });

  it('does not make a session that has updated one user wait for ever when it updates all of them', async () => {
    await createUsers(database.url, 40_000);
    const client = await openClient(database.url);
    try {
      // Enough for PostgreSQL to keep the plan of the trigger's statement.
      for (let n = 0; n < 10; n++)
        await client.query('UPDATE auth_user SET is_active = is_active WHERE id = 1');
      await client.query(`SET statement_timeout = '30s'`);
      await client.query('UPDATE auth_user SET is_active = is_active');
    } finally {
      await client.end();
    }
  });

  it('names a user all of whose tokens were revoked, again and again', async () => {
    const revoke = `INSERT INTO carelink.revoked_before VALUES ('u"1', now())
                    ON CONFLICT (user_key) DO UPDATE SET at = excluded.at`;
    expect(await toldOf([revoke], [revoke])).toEqual([told('u"1'), told('u"1')]);
  });

  it("never makes Django's own statement fail", async () => {
    const longKey = 'x'.repeat(9_000);
    expect(await toldOf(['INSERT INTO carelink.revoked_before VALUES ($1, now())', [longKey]])).toEqual(
      ANYTHING,
    );
  });

  it('whose listener is killed, and back: a gap, and nothing is missed after it', async () => {
    await toldOf();
    for (let round = 0; round < 3; round++) {
      heard = [];
      await sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'carelink-tokens listen'`,
      );
      // Django goes on meanwhile: each of these is told of by name, or a gap comes after it.
      const gaps = () => heard.filter(({ kind }) => kind === 'alive').length;
      const gapsBefore = new Map<string, number>();
      const tokens = await issueTokens(database.url, await createUsers(database.url, 20));
      for (const { jti } of tokens) {
        gapsBefore.set(jti, gaps());
        await sql(
          `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
           SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
          [jti],
        );
        await sleep(5);
      }
      // Before it is alive again nothing was told by it.
      await until(() => gaps() > 0 && feeds[0]!.alive);
      const named = new Set(
        heard.flatMap((one) => (one.kind === 'blacklisted' ? one.tokens.map(({ jti }) => jti) : [])),
      );
      const missed = [...gapsBefore].filter(([jti, before]) => !named.has(jti) && gaps() === before);
      expect(missed).toEqual([]);
      const [last] = await issueTokens(database.url, await createUsers(database.url, 1));
      const after = await toldOf([
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
        [last!.jti],
      ]);
      expect(after).toEqual([
        { kind: 'blacklisted', tokens: [{ jti: last!.jti, userKey: String(last!.userId) }] },
      ]);
    }
    expect(states).toContain('unreachable');
    expect(states.at(-1)).toBe('alive');
  });

  it('whose connection falls silent is no longer alive, and tells of the gap when it hears again', async () => {
    const network = await silentNetwork(database.url);
    const events: string[] = [];
    const feed = await open(network.url);
    feed.subscribe({
      onChange: (change) => events.push(change.kind),
      onAlive: () => events.push('alive'),
      onLost: () => events.push('lost'),
    });
    try {
      await until(() => feed.alive);
      network.silence(true);
      await until(() => !feed.alive);
      await until(() => events.includes('lost'));
      const [login] = await issueTokens(database.url, await createUsers(database.url, 1));
      await sql(
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
        [login!.jti],
      );
      expect(feed.alive).toBe(false);
      network.silence(false);
      await until(() => feed.alive);
      // What was on its way when it was given up is no longer listened to.
      expect(events).toEqual(['alive', 'lost', 'alive']);
    } finally {
      await feed.stop();
      network.close();
    }
  });

  it('is not relied on a second after its last beat, though nobody has noticed that anything is wrong', async () => {
    let aheadMs = 0;
    const feed = await open(database.url, () => performance.now() + aheadMs);
    await until(() => feed.alive);
    // As after a process that was stopped for so long: this comes before whatever the connection has to say.
    aheadMs = STALE_MS;
    expect([feed.alive, feed.state]).toEqual([false, 'unreachable']);
    await until(() => feed.alive);
    await feed.stop();
    expect(feed.alive).toBe(false);
    feeds.pop();
  });

  it('is not alive while a trigger is switched off, and is again once it is on', async () => {
    await toldOf();
    await sql('ALTER TABLE auth_user DISABLE TRIGGER carelink_tell_users_changed');
    await until(() => !feeds[0]!.alive);
    const { migrations } = await readMigrationOverview(database.url);
    expect(migrations.find(({ name }) => name === 'notify_changes')).toMatchObject({
      state: 'pending',
      action: 'run',
    });
    await sql('ALTER TABLE auth_user ENABLE TRIGGER carelink_tell_users_changed');
    await until(() => feeds[0]!.alive);
  });

  it('are told only where migrate was asked to, and no longer once that is undone', async () => {
    const other = await freshDatabase();
    try {
      await createSimplejwtTables(other.url);
      const triggers = async () =>
        (await query(other.url, `SELECT tgname FROM pg_trigger WHERE tgname LIKE 'carelink%'`)).length;
      await applyMigrations(other.url, { createTables: false });
      expect(await triggers()).toBe(0);
      const { steps } = await applyMigrations(other.url, { createTables: false, names: ['notify_changes'] });
      expect(steps).toMatchObject([{ name: 'notify_changes', outcome: 'applied' }]);
      expect(await triggers()).toBe(6);
      // From then on it belongs to what `migrate` looks after, asked for or not.
      await query(other.url, 'DROP TRIGGER carelink_tell_users_deleted ON auth_user');
      await applyMigrations(other.url, { createTables: false });
      expect(await triggers()).toBe(6);
      await removeMigrations(other.url, { names: ['notify_changes'] });
      expect(await triggers()).toBe(0);
      expect(
        await query(
          other.url,
          `SELECT proname FROM pg_proc WHERE pronamespace = 'carelink'::regnamespace AND proname <> 'revoke_user'`,
        ),
      ).toEqual([]);
      expect((await readMigrationOverview(other.url)).migrations.map(({ name }) => name)).not.toContain(
        'notify_changes',
      );
    } finally {
      await other.drop();
    }
  });

  it("follow a user table and columns of the project's own, wherever the schema is", async () => {
    const other = await freshDatabase();
    try {
      await query(
        other.url,
        `CREATE SCHEMA "Hospital";
         CREATE TABLE "Hospital".staff (pk int PRIMARY KEY, staff_no text UNIQUE NOT NULL, employed boolean NOT NULL);`,
      );
      await createSimplejwtTables(other.url, { users: false });
      await query(
        other.url,
        `ALTER TABLE token_blacklist_outstandingtoken ADD FOREIGN KEY (user_id) REFERENCES "Hospital".staff (pk)`,
      );
      await applyMigrations(other.url, {
        createTables: false,
        notify: true,
        users: { userTable: 'Hospital.staff', userIdColumn: 'staff_no', userActiveColumn: 'employed' },
      });
      const client = new pg.Client({ connectionString: other.url });
      const payloads: (string | undefined)[] = [];
      client.on('notification', ({ payload }) => payloads.push(payload));
      await client.connect();
      await client.query('LISTEN carelink_changes');
      // As a role whose search path finds none of it.
      await client.query(`SET search_path = pg_catalog`);
      await client.query(`INSERT INTO "Hospital".staff VALUES (1, 'N-7', true)`);
      await client.query(
        `INSERT INTO public.token_blacklist_outstandingtoken (id, token, expires_at, user_id, jti) VALUES (1, '', now(), 1, 'j')`,
      );
      await client.query(
        `INSERT INTO public.token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES (now(), 1)`,
      );
      await client.query(`UPDATE "Hospital".staff SET employed = false`);
      await client.query('SELECT');
      await client.end();
      expect(payloads).toEqual(['{"blacklisted":[["j", "N-7"]]}', '{"users":["N-7"]}']);
    } finally {
      await other.drop();
    }
  });
});
