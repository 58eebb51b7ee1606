/** `--cookie-style dj-rest-auth` against what dj-rest-auth 7.1.1 answered to the same requests, cookies included. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, createUsers, freshDatabase, query } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { COOKIE_CASES } from './dj-rest-auth/cases.js';
import { departureOf } from './dj-rest-auth/departures.js';
import { cookieReplyOfOurs, type CookieReply } from './dj-rest-auth/normal.js';
import { shadowed } from './dj-rest-auth/adopted.js';
import { askDjRestAuth, readCookieRecord, repliesTo, writeCookieRecord } from './dj-rest-auth/record.js';
import { COOKIE_SITES, type CookieSite } from './dj-rest-auth/sites.js';
import { world } from './matrix/world.js';

const record = readCookieRecord();

describe.skipIf(!services().postgres)('answers as dj-rest-auth 7.1.1 does', () => {
  const ours = new Map<CookieSite, Record<string, CookieReply>>();
  const opened: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const database = await freshDatabase();
    opened.push(() => database.drop());
    await createSimplejwtTables(database.url);
    const [active, inactive] = await createUsers(database.url, 2);
    await query(database.url, 'UPDATE auth_user SET is_active = false WHERE id = $1', [inactive]);
    const given = world(database.url, {
      active: Number(active),
      inactive: Number(inactive),
      unknown: 999_999,
    });
    await applyMigrations(database.url, { createTables: false, notify: false });
    await Promise.all(
      COOKIE_SITES.map(async (site) => {
        const args = ['--simplejwt-compat', '5.2', ...site.args];
        const server = await startServer({ databaseUrl: database.url, args });
        opened.push(() => server.stop());
        ours.set(site, await repliesTo(given, site, server.url, cookieReplyOfOurs));
      }),
    );
  });
  afterAll(async () => {
    const [drop, ...stops] = opened;
    await Promise.all(stops.map((stop) => stop()));
    await drop?.();
  });

  describe.each(COOKIE_SITES)('$name', (site) => {
    test.each(COOKIE_CASES)('$name', ({ name }) => {
      const theirs = record[site.name]![name]!;
      const departure = departureOf(site, name, record);
      expect(ours.get(site)![name]).toEqual(departure ?? theirs);
      // A departure that is none any more is to be taken out.
      expect(departure).not.toEqual(theirs);
    });
  });
});

/** The directory of dj-rest-auth's sources, where there is one: the record is held against them, and written anew with RECORD=1. */
const source = process.env['DJ_REST_AUTH_SOURCE'];
if (source !== undefined) {
  test('the record is what dj-rest-auth answers', async () => {
    const asked = await askDjRestAuth(source);
    if (process.env['RECORD'] === '1') writeCookieRecord(asked);
    expect(asked).toEqual(readCookieRecord());
  });

  describe.each(COOKIE_SITES)('adopted: $name', (site) => {
    const departs = ({ name }: { readonly name: string }) => departureOf(site, name, record) !== undefined;
    const namesOf = (departing: boolean) =>
      new Set(COOKIE_CASES.filter((one) => departs(one) === departing).map(({ name }) => name));

    test('its settings are read, and the shadow finds no difference where there is none', async () => {
      const names = namesOf(false);
      const { options, rows, report } = await shadowed(source, site, names);
      const flags = site.args.flatMap((flag, n) =>
        flag.startsWith('--') ? [[flag.slice(2), site.args[n + 1]?.replace(/^--.*/, 'true') ?? 'true']] : [],
      );
      expect(options).toMatchObject(Object.fromEntries(flags));
      expect(rows.filter(({ verdict }) => verdict === 'cannot')).toEqual([]);
      expect(report.differences).toEqual([]);
      const { judged, different } = report.requests;
      expect([judged, different]).toEqual([names.size, 0]);
    });

    test('each departure is told by adopt, and found by the shadow', async () => {
      const names = namesOf(true);
      const { rows, report } = await shadowed(source, site, names);
      // But those in a header of a 405, and in cookies that are taken away beside a 400.
      expect(report.requests.different).toBeGreaterThanOrEqual(names.size - 2);
      expect(rows.filter(({ verdict }) => verdict === 'differs').map(({ setting }) => setting)).toEqual(
        expect.arrayContaining(['who may refresh', 'log-out']),
      );
    });
  });
}
