/** A shadow in front of a real Django finds each setting that is not Django's, and names what mends it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShadowDocument } from '../../src/shadow/report.js';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrate, startShadow } from '../support/shadow.js';
import { ORIGIN, siteTraffic, type Traffic } from '../support/shadow-traffic.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

/** What Django is, as `adopt` would write it. */
const RIGHT: Readonly<Record<string, string>> = {
  '--issuer': 'https://idp.example.org',
  '--audience': 'carelink',
  '--leeway': '10s',
  '--cors-origin': ORIGIN,
  '--simplejwt-compat': '5.2',
  '--user-check': 'off',
};

interface Wrong {
  readonly name: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly key?: string;
  readonly code: string;
  readonly mend: string | null | ((traffic: Traffic) => unknown);
}

const WRONG: readonly Wrong[] = [
  { name: 'access tokens of another life', args: { '--access-lifetime': '5m' }, code: 'access_lifetime', mend: '--access-lifetime 15m' },
  { name: 'refresh tokens of another life', args: { '--refresh-lifetime': '1d' }, code: 'refresh_lifetime', mend: '--refresh-lifetime 12h' },
  { name: 'sliding tokens of another life', args: { '--sliding-lifetime': '1h' }, code: 'sliding_lifetime', mend: '--sliding-lifetime 15m' },
  { name: 'another key', key: `${TEST_SIGNING_KEY}x`, code: 'signing_key', mend: '--signing-key-file (CARELINK_SIGNING_KEY): it must hold SIGNING_KEY, or SECRET_KEY where that is not set' },
  { name: 'another algorithm', args: { '--algorithm': 'HS512' }, code: 'algorithm', mend: '--algorithm HS256' },
  { name: 'another issuer', args: { '--issuer': 'https://other.example.org' }, code: 'issuer', mend: '--issuer https://idp.example.org' },
  { name: 'another audience', args: { '--audience': 'other' }, code: 'audience', mend: '--audience carelink' },
  { name: 'another claim of the user', args: { '--user-id-claim': 'uid' }, code: 'user_id_claim', mend: '--user-id-claim user_id' },
  { name: 'another claim of the id', args: { '--jti-claim': 'tid' }, code: 'jti_claim', mend: '--jti-claim jti' },
  { name: 'another claim of the type', args: { '--token-type-claim': 'typ' }, code: 'token_type_claim', mend: '--token-type-claim token_type' },
  { name: 'no rotation', args: { '--rotation': 'off' }, code: 'rotation', mend: '--rotation on' },
  { name: 'rotation without blacklisting', args: { '--rotation': 'keep', '--verify-blacklist': 'on' }, code: 'spends', mend: '--rotation on' },
  { name: 'the words of another release', args: { '--simplejwt-compat': '5.5' }, code: 'simplejwt_compat', mend: '--simplejwt-compat 5.2' },
  { name: 'other paths', args: { '--base-path': '/api/token' }, code: 'elsewhere', mend: '--refresh-path /account/token/refresh' },
  { name: 'no leeway', args: { '--leeway': '0s' }, code: 'leeway', mend: ({ lateSeconds }) => expect.toBeOneOf(lateSeconds.map((late) => `--leeway: it must be LEEWAY, and is no less than ${late}s`)) },
  { name: 'another origin', args: { '--cors-origin': 'https://elsewhere.example.org' }, code: 'cors_origin', mend: `--cors-origin ${ORIGIN}` },
  { name: 'users who are checked', args: { '--user-check': 'on' }, code: 'user_refused', mend: '--user-check off lets them, as simplejwt does before 5.4; else nothing is to be mended' },
]; // prettier-ignore

interface Site {
  readonly url: string;
  readonly django: Django;
  readonly traffic: Traffic;
}

/** Sends the same again until what is looked for is there: what changed a moment ago is no difference yet. */
async function reportOf(
  { url, traffic, django }: Site,
  { args = {}, key = TEST_SIGNING_KEY }: Pick<Wrong, 'args' | 'key'>,
  until: (document: ShadowDocument) => boolean,
): Promise<{ document: ShadowDocument; output: string }> {
  const given = Object.entries(args).flat();
  const shadow = await startShadow(django.url, {
    databaseUrl: url,
    args: given,
    env: { CARELINK_SIGNING_KEY: key },
  });
  try {
    let document = await shadow.report();
    for (let turn = 0, sent = 0; turn < 20 && !until(document); turn++) {
      sent += await traffic.send(shadow.url);
      document = await (args['--base-path'] === undefined ? shadow.settled(sent) : shadow.report());
    }
    return { document, output: shadow.output() };
  } finally {
    await shadow.stop();
  }
}

const ready = services().postgres !== undefined && services().django;

describe.skipIf(!ready)('a shadow of Django', () => {
  let database: FreshDatabase;
  let django: Django;
  let traffic: Traffic;

  beforeAll(async () => {
    database = await freshDatabase();
    django = await startDjango({
      database: database.url,
      env: {
        DJANGO_ISSUER: RIGHT['--issuer']!,
        DJANGO_AUDIENCE: RIGHT['--audience']!,
        DJANGO_LEEWAY: '10',
        DJANGO_CORS_ORIGINS: ORIGIN,
      },
    });
    await migrate(database.url);
    traffic = await siteTraffic(django);
  });
  afterAll(async () => {
    await django.stop();
    await database.drop();
  });

  const site = (): Site => ({ url: database.url, django, traffic });

  it('finds nothing where all settings are those of Django', async () => {
    const { document } = await reportOf(site(), { args: RIGHT }, ({ requests }) => requests.judged >= 60);
    expect(document.differences).toEqual([]);
    expect(document.agrees).toBe(true);
    expect(document.requests.same).toBeGreaterThan(50);
    expect(document.requests.undecided).toEqual({ clock: 0, changing: 0, django_failed: 0, unreadable: 0 });
    expect(document.requests.dropped).toEqual({ full: 0, late: 0, database: 0, failed: 0 });
  });

  it.each(WRONG)('$name: $code', async ({ code, mend, args, key }) => {
    const wrong = { args: { ...RIGHT, ...args }, ...(key === undefined ? {} : { key }) };
    const { document, output } = await reportOf(site(), wrong, ({ differences }) =>
      differences.some((one) => one.code === code),
    );
    const mended = typeof mend === 'function' ? mend(traffic) : mend;
    expect(document.differences.map((one) => [one.code, one.mend])).toEqual([[code, mended]]);
    expect(document.agrees).toBe(false);
    const told = JSON.stringify(document) + output;
    expect(told).toContain('"event":"shadow_difference"');
    expect(told).not.toMatch(/ey[JA][\w-]{10,}\./);
    expect(told).not.toContain(TEST_SIGNING_KEY.slice(0, 20));
  });
});

const OTHER_SITES = [
  {
    name: 'that rotates without blacklisting',
    env: { DJANGO_BLACKLIST: '0' },
    right: { '--rotation': 'keep' },
    wrong: { '--rotation': 'on' },
    found: [['spends', '--rotation keep'], ['verify_blacklist', '--verify-blacklist off']],
  },
  {
    name: 'that does not rotate',
    env: { DJANGO_ROTATE: '0', DJANGO_BLACKLIST: '0' },
    right: { '--rotation': 'off', '--verify-blacklist': 'off' },
    wrong: { '--rotation': 'on' },
    found: [['rotation', '--rotation off'], ['verify_blacklist', '--verify-blacklist off']],
  },
]; // prettier-ignore

describe.skipIf(!ready).each(OTHER_SITES)('a shadow of a Django $name', ({ env, right, wrong, found }) => {
  const plain = { '--simplejwt-compat': '5.2', '--user-check': 'off', '--cors-origin': ORIGIN };
  let database: FreshDatabase;
  let django: Django;
  let site: Site;

  beforeAll(async () => {
    database = await freshDatabase();
    django = await startDjango({ database: database.url, env: { DJANGO_CORS_ORIGINS: ORIGIN, ...env } });
    await migrate(database.url);
    site = { url: database.url, django, traffic: await siteTraffic(django) };
  });
  afterAll(async () => {
    await django.stop();
    await database.drop();
  });

  it('finds nothing where that is set', async () => {
    const args = { ...plain, ...right };
    const { document } = await reportOf(site, { args }, ({ requests }) => requests.judged >= 60);
    expect(document.differences).toEqual([]);
    expect(document.requests.undecided.changing).toBe(0);
  });

  it('finds it where it is not', async () => {
    const args = { ...plain, ...wrong };
    const { document } = await reportOf(site, { args }, ({ differences }) => differences.length === 2);
    const told = document.differences.map(({ code, mend }) => [code, mend]);
    expect(told.sort()).toEqual(found);
  });
});
