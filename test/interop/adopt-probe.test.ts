/** The probe at real Djangos whose settings mean something else than they seem to. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adopt, parseFacts, type Facts } from '../../src/adopt/index.js';
import { environment } from '../support/django.js';
import { manage } from '../support/django/process.js';
import { freshDatabase, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';

const PROBE = fileURLToPath(new URL('../../src/adopt/probe.py', import.meta.url));
const APP = 'rest_framework_simplejwt.token_blacklist';
const APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'rest_framework', 'people'];
const CHOICES = { userView: undefined, signingKeyFile: '/etc/carelink/signing.key' };

describe.skipIf(services().postgres === undefined || !services().django)('the probe', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  const probed = async (settings: object, urls?: string): Promise<{ facts: Facts; text: string }> => {
    const env = environment({
      database: database.url,
      env: {
        DJANGO_SETTINGS: JSON.stringify(settings),
        ...(urls === undefined ? {} : { DJANGO_URLS: urls }),
      },
    });
    const text = await manage(env, ['shell', '-c', `exec(open(${JSON.stringify(PROBE)}).read())`]);
    return { facts: parseFacts(text), text };
  };
  const verdicts = (facts: Facts) => {
    const { rows, options } = adopt(facts, CHOICES);
    const of = (setting: string) => rows.find((row) => row.setting === setting);
    return { of, options, rows };
  };

  test('tells a setting as simplejwt takes it, which tests some for truth alone', async () => {
    const written = {
      ROTATE_REFRESH_TOKENS: 'False',
      BLACKLIST_AFTER_ROTATION: 1,
      UPDATE_LAST_LOGIN: '',
      CHECK_REVOKE_TOKEN: 'True',
      CHECK_USER_IS_ACTIVE: 0,
    };
    const { facts } = await probed({ SIMPLE_JWT: written });
    const python = 'from rest_framework_simplejwt.settings import DEFAULTS; print(list(DEFAULTS))';
    const known = await manage(environment({ database: database.url }), ['shell', '-c', python]);
    const expected = {
      ROTATE_REFRESH_TOKENS: true,
      BLACKLIST_AFTER_ROTATION: true,
      UPDATE_LAST_LOGIN: false,
      CHECK_REVOKE_TOKEN: true,
      CHECK_USER_IS_ACTIVE: false,
    };
    // Releases before 5.4 lack some of them.
    const here = Object.entries(expected).filter(([name]) => known.includes(`'${name}'`));
    expect(here.length).toBeGreaterThanOrEqual(3);
    expect(Object.fromEntries(here.map(([name]) => [name, facts.simple_jwt?.values.get(name)]))).toEqual(
      Object.fromEntries(here),
    );
    const { of, options } = verdicts(facts);
    expect(of('ROTATE_REFRESH_TOKENS')).toMatchObject({ django: 'True' });
    expect(options.rotation).toBeUndefined();
  });

  test('finds a serializer that a view names as simplejwt does', async () => {
    const admin = ['django.contrib.admin', 'django.contrib.messages', 'django.contrib.sessions'];
    const { facts, text } = await probed(
      { INSTALLED_APPS: [...APPS, ...admin, APP] },
      'site_under_test.urls_of_its_own',
    );
    expect(facts.problems).toEqual([]);
    expect(verdicts(facts).of('serializer /account/token/refresh/')).toMatchObject({
      verdict: 'cannot',
      django: 'people.customs.RoleSerializer',
    });
    expect(verdicts(facts).of('serializer /account/token/verify/')).toBeUndefined();

    // Of other paths only plain words are told, and nothing of Django's own admin.
    expect(text).not.toMatch(/planted/i);
    expect(facts.token_views?.unrecognised.map(({ path }) => path)).toEqual([
      '/hooks/(not-told)/token/<int:pk>/',
      '/v1/<var>/jwt/<kind>/(not-told)',
    ]);
  });

  test('takes a setting for the serializer of a view by the class, however it is named', async () => {
    const { facts } = await probed({
      SIMPLE_JWT: { TOKEN_REFRESH_SERIALIZER: 'people.customs.TokenRefreshSerializer' },
    });
    expect(facts.token_views?.found.map((view) => view.serializer_fixed)).not.toContain(true);
  });

  test('knows that simplejwt blacklists nothing where the app is listed by its AppConfig', async () => {
    const { facts } = await probed({ INSTALLED_APPS: [...APPS, `${APP}.apps.TokenBlacklistConfig`] });
    expect(facts.token_blacklist).toMatchObject({ installed: true, named: false });
    const { of, options } = verdicts(facts);
    expect(of('token_blacklist')).toMatchObject({
      verdict: 'cannot',
      means: expect.stringMatching(/very text/) as string,
    });
    expect(options.rotation).toBe('keep');
    expect((await probed({})).facts.token_blacklist).toMatchObject({ installed: true, named: true });
  });
});
