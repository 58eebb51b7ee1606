import { describe, expect, it } from 'vitest';
import {
  adopt,
  compareWith,
  envFileText,
  FactsError,
  parseFacts,
  SETTING_JUDGES,
} from '../../../src/adopt/index.js';
import { parseEnvFile } from '../../../src/config/env-file-text.js';
import { SERVE_OPTIONS } from '../../../src/config/serve-options.js';
import { parsed, printed, stockFacts, view, type MoreFacts } from './stock-facts.js';

const CHOICES = { userView: undefined, signingKeyFile: '/etc/carelink/signing.key' };

/** Options beside the three that every such site gets, and the names of what is lost. */
function verdictsOf(more: MoreFacts, userView?: string) {
  const { rows, options } = adopt(parsed(more), { ...CHOICES, userView });
  const { 'signing-key-file': key, 'simplejwt-compat': compat, ...rest } = options;
  const lost = rows.filter(({ verdict }) => verdict === 'cannot').map(({ setting }) => setting);
  return { key, compat, rest, lost };
}

const LIFETIMES = { 'access-lifetime': '5m', 'refresh-lifetime': '1d' };
/** Lifetimes that are ours by default, and rotation: nothing is to be said. */
const OURS = {
  ROTATE_REFRESH_TOKENS: true,
  BLACKLIST_AFTER_ROTATION: true,
  ACCESS_TOKEN_LIFETIME: { seconds: 900 },
  REFRESH_TOKEN_LIFETIME: { seconds: 43_200 },
  SLIDING_TOKEN_LIFETIME: { seconds: 900 },
};

describe('every setting', () => {
  /** DEFAULTS of rest_framework_simplejwt/settings.py from 5.2.2 to the head after 5.5.1. */
  const ALL = `
    ACCESS_TOKEN_LIFETIME REFRESH_TOKEN_LIFETIME ROTATE_REFRESH_TOKENS BLACKLIST_AFTER_ROTATION UPDATE_LAST_LOGIN ALGORITHM
    SIGNING_KEY VERIFYING_KEY AUDIENCE ISSUER JSON_ENCODER JWK_URL LEEWAY AUTH_HEADER_TYPES AUTH_HEADER_NAME USER_ID_FIELD
    USER_ID_CLAIM USER_AUTHENTICATION_RULE ON_LOGIN_SUCCESS ON_LOGIN_FAILED AUTH_TOKEN_CLASSES TOKEN_TYPE_CLAIM JTI_CLAIM
    TOKEN_USER_CLASS SLIDING_TOKEN_REFRESH_EXP_CLAIM SLIDING_TOKEN_LIFETIME SLIDING_TOKEN_REFRESH_LIFETIME
    TOKEN_OBTAIN_SERIALIZER TOKEN_REFRESH_SERIALIZER TOKEN_VERIFY_SERIALIZER TOKEN_BLACKLIST_SERIALIZER
    SLIDING_TOKEN_OBTAIN_SERIALIZER SLIDING_TOKEN_REFRESH_SERIALIZER CHECK_REVOKE_TOKEN REVOKE_TOKEN_CLAIM
    CHECK_USER_IS_ACTIVE`.split(/\s+/).slice(1); // prettier-ignore

  it('of every release has a verdict', () => {
    expect(Object.keys(SETTING_JUDGES).sort()).toEqual([...ALL].sort());
  });

  it('that nobody knows is named: lost where it is set, told where it is not', () => {
    const facts = stockFacts({ settings: OURS });
    const newer = [
      { name: 'NEW_AND_SET', given: true },
      { name: 'NEW', given: false },
    ];
    const { rows } = adopt(
      parseFacts(printed({ ...facts, simple_jwt: { ...facts.simple_jwt, newer, unknown: ['ROTATE'] } })),
      CHOICES,
    );
    expect(rows.map(({ setting, verdict }) => [setting, verdict])).toEqual(
      expect.arrayContaining([
        ['NEW_AND_SET', 'cannot'],
        ['NEW', 'differs'],
        ['ROTATE', 'same'],
      ]),
    );
    const values = { ...facts.simple_jwt.values, FROM_THE_FUTURE: 1 };
    const future = adopt(
      parseFacts(printed({ ...facts, simple_jwt: { ...facts.simple_jwt, values } })),
      CHOICES,
    );
    expect(future.rows.find(({ setting }) => setting === 'FROM_THE_FUTURE')?.verdict).toBe('cannot');
  });

  it("at simplejwt's defaults becomes a server that writes nothing", () => {
    expect(verdictsOf({ app: false })).toEqual({
      key: CHOICES.signingKeyFile,
      compat: '5.2',
      rest: {
        ...LIFETIMES,
        'sliding-lifetime': '5m',
        rotation: 'off',
        'token-tables': 'none',
        'user-table': 'auth_user',
      },
      lost: [],
    });
  });
});

describe('rotation', () => {
  const tableless = { 'token-tables': 'none', 'user-table': 'auth_user' };

  it.each([
    [true, true, true, {}],
    [true, true, false, { rotation: 'keep' }],
    [true, false, true, { rotation: 'off' }],
    [true, false, false, { rotation: 'off', 'verify-blacklist': 'off' }],
    [false, true, true, { rotation: 'keep', ...tableless }],
    [false, true, false, { rotation: 'keep', ...tableless }],
    [false, false, false, { rotation: 'off', ...tableless }],
  ])('with the app %s, ROTATE %s, BLACKLIST %s', (app, rotates, blacklists, rest) => {
    const settings = { ...OURS, ROTATE_REFRESH_TOKENS: rotates, BLACKLIST_AFTER_ROTATION: blacklists };
    expect(verdictsOf({ settings, app }).lost).toEqual([]);
    expect(verdictsOf({ settings, app }).rest).toEqual(rest);
  });

  it('is not adopted where the app is gone and its tables are not, or where its migrations are not applied', () => {
    const { token_blacklist } = stockFacts();
    const without = { ...token_blacklist, installed: false };
    expect(verdictsOf({ settings: OURS, token_blacklist: without }).lost).toEqual(['token_blacklist']);
    const unapplied = { ...token_blacklist, unapplied: 1 };
    expect(verdictsOf({ settings: OURS, token_blacklist: unapplied }).lost).toEqual(['token_blacklist']);
  });
});

describe('a value', () => {
  it.each<[string, object, object, string[]]>([
    ['ours', {}, {}, []],
    ['a leeway of a timedelta', { LEEWAY: { seconds: 1.5 } }, { leeway: '1.5s' }, []],
    [
      'a lifetime with a fraction',
      { ACCESS_TOKEN_LIFETIME: { seconds: 1.5 } },
      {},
      ['ACCESS_TOKEN_LIFETIME'],
    ],
    ['a lifetime of no time', { REFRESH_TOKEN_LIFETIME: { seconds: 0 } }, {}, ['REFRESH_TOKEN_LIFETIME']],
    ['an algorithm of no key', { ALGORITHM: 'none' }, {}, ['ALGORITHM']],
    ['a list of audiences', { AUDIENCE: ['a', 'b'] }, { audience: 'a,b' }, []],
    ['an audience with a comma', { AUDIENCE: 'a,b' }, {}, ['AUDIENCE']],
    ['an issuer with a password', { ISSUER: { hidden: 'a URL with a password' } }, {}, ['ISSUER']],
    [
      'a user claim with a meaning of its own',
      { USER_ID_CLAIM: 'exp' },
      { 'user-id-claim': 'exp' },
      ['these settings together'],
    ],
    ['another header', { AUTH_HEADER_TYPES: ['JWT'] }, {}, ['AUTH_HEADER_TYPES']],
    ['no jti', { JTI_CLAIM: null }, {}, ['JTI_CLAIM']],
    [
      'passwords that are compared',
      { CHECK_REVOKE_TOKEN: true, REVOKE_TOKEN_CLAIM: 'hash_password' },
      { 'revoke-claim': 'hash_password' },
      [],
    ],
    ['users who need not be active', { CHECK_USER_IS_ACTIVE: false }, { 'user-check': 'exists' }, []],
    [
      'a serializer of the site',
      { TOKEN_REFRESH_SERIALIZER: 'site.Refresh' },
      {},
      ['TOKEN_REFRESH_SERIALIZER'],
    ],
    ['sub, which PyJWT takes as a number', { USER_ID_CLAIM: 'sub' }, { 'user-id-claim': 'sub' }, []],
  ])('that is %s', (_, settings, rest, lost) => {
    expect(verdictsOf({ settings: { ...OURS, ...settings } })).toMatchObject({ rest, lost });
  });

  it('of an integer sub is text where PyJWT takes nothing else', () => {
    const settings = { ...OURS, USER_ID_CLAIM: 'sub' };
    const versions = { simplejwt: '5.5.0', pyjwt: '2.10.1' };
    expect(verdictsOf({ settings, versions }).rest).toEqual({
      'user-id-claim': 'sub',
      'sub-as-text': 'true',
    });
    expect(verdictsOf({ settings, versions: { ...versions, simplejwt: '5.5.1' } }).rest).toEqual({
      'user-id-claim': 'sub',
    });
  });
});

describe('views', () => {
  const at = (...found: object[]): MoreFacts => ({
    settings: OURS,
    token_views: { found, unrecognised: [] },
  });

  it.each<[string, object[], object, string[]]>([
    [
      'under another base',
      [view('refresh', '/api/token/refresh/'), view('verify', '/api/token/verify')],
      { 'base-path': '/api/token' },
      [],
    ],
    ['at the root', [view('refresh', '/refresh/')], { 'base-path': '/' }, []],
    [
      'apart',
      [view('refresh', '/a/renew'), view('verify', '/b/check/')],
      { 'refresh-path': '/a/renew', 'verify-path': '/b/check' },
      [],
    ],
    ['none', [], {}, ['refresh view']],
    ['by a pattern', [view('refresh', '/<tenant>/refresh/', { varies: true })], {}, ['path of refresh']],
    [
      'twice',
      [view('refresh', '/account/token/refresh/'), view('refresh', '/v2/refresh/')],
      {},
      ['path of refresh (again)'],
    ],
    ['with a path that is not ours to answer', [view('refresh', '/a b/x/')], {}, ['path of refresh']],
    [
      'with steps of its own',
      [view('refresh', '/account/token/refresh/', { stock: false, overrides: ['post'] })],
      {},
      ['view /account/token/refresh/'],
    ],
    [
      'with a decorator',
      [view('refresh', '/account/token/refresh/', { decorators: ['ratelimit.decorators'] })],
      {},
      ['decorators /account/token/refresh/'],
    ],
    [
      'with a serializer of its own',
      [view('refresh', '/account/token/refresh/', { serializer: 'site.S', serializer_fixed: true })],
      {},
      ['serializer /account/token/refresh/'],
    ],
  ])('%s', (_, found, rest, lost) => {
    const told = verdictsOf(at(...found));
    expect(told.rest).toMatchObject(rest);
    expect(told.lost).toEqual(lost);
  });

  it('of which Django takes the first at one path', () => {
    const dj = 'dj_rest_auth.jwt_auth.get_refresh_view.<locals>.RefreshViewWithCookieSupport';
    const own = {
      view: dj,
      stock: false,
      overrides: ['finalize_response'],
      serializer: 'dj_rest_auth.jwt_auth.CookieTokenRefreshSerializer',
      serializer_fixed: true,
    };
    const found = [
      view('refresh', '/account/token/refresh/', own),
      view('refresh', '/account/token/refresh/'),
      view('logout', '/account/token/blacklist/'),
    ];
    const dj_rest_auth = {
      installed: true, USE_JWT: true, SESSION_LOGIN: false, TOKEN_MODEL: null, JWT_AUTH_COOKIE: '__Secure-auth', JWT_AUTH_REFRESH_COOKIE: '__Secure-refresh',
      JWT_AUTH_REFRESH_COOKIE_PATH: '/account/token', JWT_AUTH_SECURE: true, JWT_AUTH_HTTPONLY: false, JWT_AUTH_SAMESITE: 'None', JWT_AUTH_COOKIE_DOMAIN: 'example.org',
    }; // prettier-ignore
    // As test/interop/dj-rest-auth/sites.ts has it, which is held against dj-rest-auth itself.
    expect(verdictsOf({ ...at(...found), dj_rest_auth })).toMatchObject({
      lost: [],
      rest: {
        'cookie-style': 'dj-rest-auth', 'cookie-name': '__Secure-refresh', 'access-cookie-name': '__Secure-auth', 'cookie-path': '/account/token',
        'cookie-domain': 'example.org', 'cookie-samesite': 'None', 'cookie-secure': 'true', 'cookie-httponly': 'off',
      }, // prettier-ignore
    });
    const ofLogOut = (httpOnly: boolean) =>
      adopt(
        parsed({ ...at(...found), dj_rest_auth: { ...dj_rest_auth, JWT_AUTH_HTTPONLY: httpOnly } }),
        CHOICES,
      ).rows.find(({ setting }) => setting === 'log-out');
    expect(ofLogOut(false)).toMatchObject({
      verdict: 'differs',
      means: expect.stringContaining('that of the cookie is logged out'),
    });
    expect(ofLogOut(true)).toMatchObject({
      verdict: 'differs',
      means: expect.stringContaining('the token of a body is logged out'),
    });
    const insecure = { ...dj_rest_auth, JWT_AUTH_SECURE: false };
    expect(verdictsOf({ ...at(...found), dj_rest_auth: insecure }).lost).toContain('these settings together');
  });
});

describe('users', () => {
  const user = (more: object): MoreFacts => ({ settings: OURS, user: { ...stockFacts().user, ...more } });
  const parent = { ...stockFacts().user.active, table: 'people_employee' };

  it.each<[string, object, object, string[]]>([
    [
      'in a column of another name',
      { active: { ...stockFacts().user.active, column: 'employed' } },
      { 'user-active-column': 'employed' },
      [],
    ],
    ['always', { active: { kind: 'constant', value: true } }, { 'user-check': 'exists' }, []],
    ['by a property', { active: { kind: 'python' } }, {}, ['is_active']],
    ['in the parent', { active: parent }, {}, ['is_active']],
    ['by a rule', { rule: 'site.rule' }, {}, ['USER_AUTHENTICATION_RULE']],
    ['by a manager', { manager_filters: true }, {}, ['the manager `objects`']],
    [
      'with a column that would stop a start',
      { columns: ['id', 'deleted_at'] },
      { 'user-table': 'auth_user' },
      [],
    ],
  ])('who are active %s', (_, more, rest, lost) => {
    expect(verdictsOf(user(more))).toMatchObject({ rest, lost });
    // A view of the site stands for whatever decides.
    expect(verdictsOf(user(more), 'carelink_users')).toMatchObject({
      rest: { 'user-table': 'carelink_users' },
      lost: [],
    });
  });
});

describe('the facts', () => {
  const noise = '3 objects imported automatically\n\u001b[1mLoading .env\u001b[0m';

  it('are found in whatever else was printed, the last of several', () => {
    const old = printed({ ...stockFacts(), versions: { simplejwt: '4.0' } });
    const facts = parseFacts(`${noise}${old}${noise}${printed(stockFacts())}${noise}`);
    expect(facts.versions?.get('simplejwt')).toBe('5.2.2');
  });

  it.each([
    ['Traceback (most recent call last):', /has no facts in it/],
    [printed(stockFacts()).slice(0, 900), /has no facts in it/],
    [`\uFFFD\uFFFD-\0-\0`, /is not UTF-8 text/],
    [printed(stockFacts()).replace('"carelink_facts":2', '"carelink_facts":1'), /another release/],
    [printed(stockFacts()).replace('"problems"', 'x"problems"'), /no JSON/],
    [printed({ ...stockFacts(), user: { model: 1 } }), /user\.model is not a text/],
  ])('are refused with what to do: %#', (text, message) => {
    expect(() => parseFacts(text)).toThrow(FactsError);
    expect(() => parseFacts(text)).toThrow(message);
  });

  it('that could not be read are lost, section by section', () => {
    const problems = [{ section: 'user', error: 'builtins.LookupError' }];
    expect(verdictsOf({ settings: OURS, user: null, problems }).lost).toEqual(['probe: user']);
    const nothing = Object.fromEntries(Object.keys(stockFacts()).map((name) => [name, null]));
    expect(() =>
      adopt(parseFacts(printed({ ...nothing, carelink_facts: 2, problems: [] })), CHOICES),
    ).not.toThrow();
  });
});

describe('the written settings', () => {
  it('come back as they were, whatever is in them', () => {
    const options = { issuer: `it's "quoted" \\ $HOME #1`, audience: 'a b', algorithm: 'HS512' };
    const { variables, faults } = parseEnvFile(envFileText(options, 'facts.json'));
    expect(faults).toEqual([]);
    expect(Object.fromEntries(variables.map(({ name, value }) => [name, value]))).toEqual({
      CARELINK_ISSUER: options.issuer,
      CARELINK_AUDIENCE: options.audience,
      CARELINK_ALGORITHM: options.algorithm,
    });
  });

  const values = (more: object = {}) => ({
    ...Object.fromEntries(Object.entries(SERVE_OPTIONS).map(([flag, { absent }]) => [flag, absent])),
    'simplejwt-compat': '5.2',
    ...more,
  });

  it.each<[string, object, string[]]>([
    ['as they are wanted', {}, []],
    [
      'said though they go without saying',
      { 'user-table': 'public.auth_user', 'user-id-column': 'id', 'user-check': 'on', schema: 'public' },
      [],
    ],
    [
      'by paths of their own',
      {
        'base-path': '/x',
        'refresh-path': '/account/token/refresh',
        'verify-path': '/account/token/verify',
        'blacklist-path': '/account/token/blacklist',
      },
      [],
    ],
    [
      'otherwise',
      { 'base-path': '/x', 'access-lifetime': 1, rotation: 'keep', 'revoke-claim': 'h' },
      ['refresh-path', 'verify-path', 'blacklist-path', 'access-lifetime', 'rotation', 'revoke-claim'],
    ],
  ])('are held against a configuration %s', (_, more, wrong) => {
    const facts = parsed({ settings: OURS });
    const { rows, options } = adopt(facts, CHOICES);
    expect(
      compareWith(facts, rows, options, values(more))
        .map(({ flag }) => flag)
        .sort(),
    ).toEqual([...wrong].sort());
  });
});
