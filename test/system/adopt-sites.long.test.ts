/**
 * Django projects of all shapes through `adopt`: what is `same` or `set` is proved by a server that has nothing but the
 * written settings, against that very Django; what is `cannot` by the difference that a client sees.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adoptSite, serveAdopted, type Adopted } from '../support/adopted.js';
import { startDjango, type Django, type DjangoOptions } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import type { TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { whoami } from '../interop/api.js';
import { json, send } from '../interop/http.js';
import type { Asked } from '../interop/matrix/case.js';
import { wantedReplies } from '../interop/matrix/our-site.js';
import { normal, normalOfOurs } from '../interop/matrix/normal.js';
import { compareLives, djangoEnv, life, POLICIES } from '../interop/matrix/policies.js';
import { repliesAt } from '../interop/matrix/replies.js';
import { FIRST, givePasswords, settingsOf, SITES } from '../interop/matrix/sites.js';

/** Which simplejwt it is: another one than Debian's 5.2.2 comes by DJANGO_SOURCES, and is named here. */
const RELEASE = (process.env['SIMPLEJWT_RELEASE'] ?? '5.2') as Asked;
/** As it is written: 5.5 is what goes without saying. */
const COMPAT = RELEASE === '5.2' ? '5.2' : undefined;

const ready = services().postgres !== undefined && services().django;

interface Running {
  readonly adopted: Adopted;
  readonly django: Django;
  readonly ours: TestServer;
  readonly database: string;
}

const opened: (() => unknown)[] = [];

interface Start {
  readonly options?: Omit<DjangoOptions, 'database'>;
  /** Before Django makes its tables. */
  readonly before?: (database: string) => Promise<unknown>;
  /** Afterwards, and before the probe runs. */
  readonly after?: (database: string) => Promise<unknown>;
  /** The site's own, for `adopt`. */
  readonly userView?: string;
}

async function adoptedDjango({ options = {}, before, after, userView }: Start) {
  const database: FreshDatabase = await freshDatabase();
  opened.push(() => database.drop());
  await before?.(database.url);
  const all = { ...options, database: database.url };
  const django = await startDjango(all);
  opened.push(() => django.stop());
  await after?.(database.url);
  const adopted = await adoptSite(all, userView);
  opened.push(() => adopted.remove());
  return { database: database.url, django, adopted, options: all };
}

async function start(site: Start): Promise<Running> {
  const { options, ...rest } = await adoptedDjango(site);
  const ours = await serveAdopted(rest.adopted, options);
  opened.push(() => ours.stop());
  return { ...rest, ours };
}

const lost = ({ rows }: Adopted) =>
  rows.filter(({ verdict }) => verdict === 'cannot').map(({ setting }) => setting);

describe.skipIf(!ready)('a Django project', () => {
  afterAll(async () => {
    for (const release of opened.splice(0).reverse()) await release();
  });

  test.each(POLICIES)('with $name: a life is the same, with the written settings alone', async (policy) => {
    const { django, ours, database, adopted } = await start({ options: { env: djangoEnv(policy) } });
    expect(lost(adopted)).toEqual([]);
    const where = { database };
    const theirs = await life(policy, { ...where, url: django.url, normal });
    compareLives(
      policy,
      RELEASE,
      theirs,
      await life(policy, { ...where, url: ours.url, normal: normalOfOurs }),
    );
  });

  test.each([FIRST, ...SITES.filter(({ check }) => !check)])(
    'with $name: each request of the matrix is answered the same',
    async (site) => {
      const { django, ours, database, adopted } = await start({ options: { env: settingsOf(site) } });
      expect(lost(adopted)).toEqual([]);
      const [active, inactive] = [await django.makeUser(), await django.makeUser()];
      await django.deactivateUser(inactive);
      await givePasswords(database);
      const users = { active: Number(active), inactive: Number(inactive), unknown: 999_999 };
      const asked = { database, users };
      const theirs = await repliesAt(site, { ...asked, url: () => django.url, normal });
      const { wanted, idle } = wantedReplies(RELEASE, site, theirs);
      expect(await repliesAt(site, { ...asked, url: () => ours.url, normal: normalOfOurs })).toEqual(wanted);
      expect(idle).toEqual([]);
    },
  );

  /** Shapes whose tokens, users or paths are otherwise: a log-in of Django's at both. */
  const SHAPES: readonly (Start & {
    readonly name: string;
    /** All that is written beside the key and the texts of errors. */
    readonly written: Readonly<Record<string, string>>;
    readonly paths?: { readonly refresh: string; readonly verify: string };
    readonly claims?: Record<string, unknown>;
    /** Users are inactive nowhere. */
    readonly noInactive?: true;
  })[] = [
    {
      name: "simplejwt's lifetimes",
      options: { env: { DJANGO_ACCESS_SECONDS: '300', DJANGO_REFRESH_SECONDS: '86400' } },
      written: { 'access-lifetime': '5m', 'refresh-lifetime': '1d' },
    },
    {
      name: 'an integer sub, an issuer, audiences and a leeway with a fraction',
      options: {
        env: {
          DJANGO_USER_ID_CLAIM: 'sub',
          DJANGO_ISSUER: 'https://id.example.org',
          DJANGO_AUDIENCE: 'wards api',
          DJANGO_LEEWAY: '1.5',
        },
      },
      written: {
        'user-id-claim': 'sub',
        issuer: 'https://id.example.org',
        audience: 'wards api',
        leeway: '1.5s',
      },
    },
    {
      name: 'custom claims of the log-in, and a sliding claim of another name',
      options: { env: { DJANGO_SLIDING_CLAIM: 'slide_until' } },
      claims: { role: 'nurse', wards: ['B4', 12345678901] },
      written: { 'sliding-refresh-exp-claim': 'slide_until' },
    },
    {
      name: 'HS512',
      options: { algorithm: 'HS512' },
      written: { algorithm: 'HS512' },
    },
    {
      name: 'views one by one, at paths of their own',
      options: { env: { DJANGO_URLS: 'site_under_test.urls_apart' } },
      paths: { refresh: '/api/v1/auth/renew', verify: '/api/v1/auth/check/' },
      written: { 'refresh-path': '/api/v1/auth/renew', 'verify-path': '/api/v1/auth/check' },
    },
    { name: 'a bigint key', options: { variant: 'bigint' }, written: {} },
    {
      name: 'a uuid key called uuid',
      options: { variant: 'keyed_by_uuid', env: { DJANGO_USER_ID_FIELD: 'uuid' } },
      written: {},
    },
    {
      name: 'table, key and active column with names of their own',
      options: { variant: 'staff' },
      written: { 'user-active-column': 'employed' },
    },
    {
      name: 'an e-mail key, and no column that says who is active',
      options: { variant: 'mail', env: { DJANGO_USER_ID_FIELD: 'email' } },
      written: { 'user-check': 'exists' },
      noInactive: true,
    },
    {
      name: 'a number that says who is active',
      options: { variant: 'smallint' },
      written: {},
    },
    {
      name: 'a user name in tokens in place of the key',
      options: { env: { DJANGO_USER_ID_FIELD: 'username' } },
      written: { 'user-id-column': 'username' },
    },
    {
      name: 'tables in another schema',
      before: (database) =>
        query(database, `CREATE SCHEMA t1; ALTER DATABASE "${nameOf(database)}" SET search_path = t1`),
      written: { schema: 't1' },
    },
    {
      name: 'soft deletion by a manager, with a view of the site',
      options: { variant: 'soft' },
      after: (database) =>
        query(
          database,
          'CREATE VIEW carelink_users AS SELECT id, is_active AND deleted_at IS NULL AS is_active FROM people_softuser',
        ),
      userView: 'carelink_users',
      written: { 'user-table': 'carelink_users' },
    },
    {
      name: 'the serializer for a Django that goes on rotating',
      options: { serializer: 'single-use' },
      written: {},
    },
  ];

  test.each(SHAPES)('with $name', async ({ written, paths, claims, noInactive, name, ...site }) => {
    const running = await start(site);
    const { django, ours, adopted } = running;
    const { 'signing-key-file': key, 'simplejwt-compat': compat, ...options } = adopted.options;
    expect(key).toBeDefined();
    expect({ name, options, compat, lost: lost(adopted) }).toEqual({
      name,
      options: written,
      compat: COMPAT,
      lost: [],
    });
    const { refresh, verify } = paths ?? {
      refresh: '/account/token/refresh/',
      verify: '/account/token/verify/',
    };
    const user = await django.makeUser();
    const tokens = () => django.mint(user, claims);
    const at = async (url: string) => (url === ours.url ? normalOfOurs : normal);
    const both = async (path: string, field: string, make: () => Promise<string>) => {
      const replies = [];
      for (const url of [django.url, ours.url])
        replies.push((await at(url))(await send(url, json(path, { [field]: await make() }))));
      return replies;
    };
    const [theirs, mine] = await both(refresh, 'refresh', async () => (await tokens()).refresh);
    expect(theirs!.status).toBe(200);
    expect(mine).toEqual(theirs);
    for (const [path, field, make] of [
      [refresh, 'refresh', async () => (await tokens()).access],
      [refresh, 'refresh', async () => `${(await tokens()).refresh}x`],
      [verify, 'token', async () => (await tokens()).access],
      [verify, 'token', async () => 'no.token.x'],
    ] as const) {
      const [wanted, answer] = await both(path, field, make);
      expect(answer).toEqual(wanted);
    }
    // What ours made is good at Django's API, and of that user.
    const made = await send(ours.url, json(refresh, { refresh: (await tokens()).refresh }));
    const { access, refresh: successor } = made.body as { access: string; refresh: string };
    expect((await whoami(django.url, access)).body).toEqual({ user_id: user });
    expect((await send(django.url, json(refresh, { refresh: successor }))).status).toBe(200);
    if (noInactive !== true) {
      const { refresh: late } = await tokens();
      await django.deactivateUser(user);
      expect((await send(ours.url, json(refresh, { refresh: late }))).status).toBe(401);
    }
  });

  test('with pages of other origins: the same ones may call', async () => {
    const origin = 'https://app.example.org';
    const env = { DJANGO_CORS_ORIGINS: `${origin} https://b.example.org`, DJANGO_CORS_HEADERS: 'X-Tenant' };
    const { adopted, django, ours } = await start({ options: { env } });
    expect(lost(adopted)).toEqual([]);
    expect(adopted.options).toMatchObject({
      'cors-origin': `${origin},https://b.example.org`,
      'cors-header': 'x-tenant',
    });
    for (const [from, wanted] of [
      [origin, origin],
      ['https://evil.example.org', undefined],
    ] as const) {
      for (const url of [django.url, ours.url]) {
        const { headers } = await send(url, {
          method: 'OPTIONS',
          path: '/account/token/refresh/',
          headers: {
            origin: from,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type,x-tenant',
          },
        });
        expect(headers['access-control-allow-origin']).toBe(wanted);
        if (wanted)
          expect(String(headers['access-control-allow-headers']).toLowerCase()).toContain('x-tenant');
      }
    }
  });

  /** Each of them is told, and each is really lost. */
  describe('that has what can not be kept', () => {
    const settings = {
      MIDDLEWARE: ['people.customs.Audit', 'django.middleware.locale.LocaleMiddleware'],
      LANGUAGE_CODE: 'de',
      REST_FRAMEWORK: {
        EXCEPTION_HANDLER: 'people.customs.problem_details',
        DEFAULT_PARSER_CLASSES: ['people.formats.TextParser', 'rest_framework.parsers.JSONParser'],
      },
      SIMPLE_JWT: { TOKEN_REFRESH_SERIALIZER: 'people.customs.RoleSerializer' },
    };
    let adopted: Adopted;
    let django: Django;
    let ours: TestServer;

    beforeAll(async () => {
      ({ adopted, django, ours } = await start({
        options: { env: { DJANGO_SETTINGS: JSON.stringify(settings) } },
      }));
    });

    test('says so of each, by name', () => {
      expect(lost(adopted).sort()).toEqual(
        [
          'EXCEPTION_HANDLER',
          'LocaleMiddleware',
          'MIDDLEWARE:people.customs.Audit',
          'TOKEN_REFRESH_SERIALIZER',
          'parsers',
        ].sort(),
      );
      for (const name of [
        'people.customs.Audit',
        'people.customs.RoleSerializer',
        'people.formats.TextParser',
      ])
        expect(adopted.report).toContain(name);
    });

    test('and a client sees each of them', async () => {
      const user = await django.makeUser();
      const good = async (url: string) => send(url, json('/account/token/refresh/', await django.mint(user)));
      const bad = async (url: string) => send(url, json('/account/token/verify/', { token: 'x' }));
      const [theirs, mine] = [await good(django.url), await good(ours.url)];
      expect([theirs.headers['x-audit'], mine.headers['x-audit']]).toEqual(['1', undefined]);
      expect(theirs.body).toHaveProperty('role', 'nurse');
      expect(mine.body).not.toHaveProperty('role');
      expect((await bad(django.url)).body).toEqual({ title: 'problem' });
      expect((await bad(ours.url)).body).toHaveProperty('detail');
      const plain = async (url: string) =>
        send(url, {
          path: '/account/token/refresh/',
          headers: { 'content-type': 'text/plain' },
          body: (await django.mint(user)).refresh,
        });
      expect([(await plain(django.url)).status, (await plain(ours.url)).status]).toEqual([200, 415]);
    });
  });

  test.each([
    {
      name: 'a table of users that inherits',
      options: { variant: 'nurse' as const },
      lost: ['is_active'],
    },
    {
      name: 'soft deletion by a manager',
      options: { variant: 'soft' as const },
      lost: ['the manager `objects`'],
    },
    {
      name: 'a rule in Python',
      options: { env: { DJANGO_USER_RULE: 'people.models.is_not_locked' } },
      lost: ['USER_AUTHENTICATION_RULE'],
    },
    {
      name: 'tokens without id and type',
      options: { env: simpleJwt({ JTI_CLAIM: null, TOKEN_TYPE_CLAIM: null }) },
      lost: ['JTI_CLAIM', 'TOKEN_TYPE_CLAIM'],
    },
    {
      name: 'envelopes',
      options: {
        env: {
          DJANGO_SETTINGS: JSON.stringify({
            REST_FRAMEWORK: {
              DEFAULT_RENDERER_CLASSES: ['people.formats.EnvelopeRenderer'],
              NON_FIELD_ERRORS_KEY: 'errors',
            },
          }),
        },
      },
      lost: ['renderers', 'NON_FIELD_ERRORS_KEY'],
    },
    {
      name: 'throttles',
      options: {
        env: {
          DJANGO_SETTINGS: JSON.stringify({
            REST_FRAMEWORK: {
              DEFAULT_THROTTLE_CLASSES: ['rest_framework.throttling.AnonRateThrottle'],
              DEFAULT_THROTTLE_RATES: { anon: '30/min' },
            },
          }),
        },
      },
      lost: ['throttles'],
    },
  ])('with $name: told as lost', async ({ options, lost: wanted }) => {
    const { adopted } = await adoptedDjango({ options });
    expect(lost(adopted).sort()).toEqual([...wanted].sort());
  });

  test('whose app was taken out while its tables are there is not adopted: log-outs would be undone', async () => {
    const database = await freshDatabase();
    opened.push(() => database.drop());
    const options = { database: database.url };
    await (await startDjango(options)).stop();
    const adopted = await adoptSite({
      ...options,
      env: { DJANGO_BLACKLIST_APP: '0', DJANGO_BLACKLIST: '0' },
    });
    opened.push(() => adopted.remove());
    expect(lost(adopted)).toEqual(['token_blacklist']);
  });
});

const nameOf = (database: string) => new URL(database).pathname.slice(1);

function simpleJwt(settings: Readonly<Record<string, unknown>>): Record<string, string> {
  return { DJANGO_SETTINGS: JSON.stringify({ SIMPLE_JWT: settings }) };
}
