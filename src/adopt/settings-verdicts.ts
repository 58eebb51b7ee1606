import { mounted, settingOf, simplejwtVersion, textSetting, type Site } from './site.js';
import { ALGORITHMS } from '../config/vocabulary.js';
import { cannot, differs, durationText, kept, same, secondsOf, type Row } from './verdict.js';
import { rotationRows } from './rotation-verdicts.js';
import { atLeast } from './versions.js';

type Judge = (site: Site, setting: string, value: unknown) => readonly Row[];

const LOG_IN = 'The log-in stays at Django.';
const API = 'Your API checks access tokens as before.';

const staysAtDjango =
  (means: string): Judge =>
  (_, setting, value) => [same(setting, value, means)];

const lifetime =
  (flag: 'access-lifetime' | 'refresh-lifetime' | 'sliding-lifetime'): Judge =>
  (_, setting, value) => {
    const seconds = secondsOf(value);
    const text = seconds === undefined ? undefined : durationText(seconds);
    if (text === undefined) return [cannot(setting, value, `It is no timedelta that --${flag} can take.`)];
    if (!Number.isInteger(seconds))
      return [cannot(setting, value, 'Tokens count in whole seconds. Set it to whole seconds in Django.')];
    return [kept(setting, value, { [flag]: text }, 'Tokens live as long as before.')];
  };

const claimName =
  (
    flag: 'user-id-claim' | 'jti-claim' | 'token-type-claim' | 'sliding-refresh-exp-claim',
    ifNone: string,
  ): Judge =>
  (_, setting, value) => [
    typeof value === 'string'
      ? kept(setting, value, { [flag]: value }, 'The claim keeps its name.')
      : cannot(setting, value, ifNone),
  ];

/** Of a serializer that a setting names. That of a view is judged with the view. */
const serializer =
  (kind: 'refresh' | 'verify' | 'blacklist' | 'sliding', stock: string): Judge =>
  (site, setting, value) => {
    if (value === `rest_framework_simplejwt.serializers.${stock}`)
      return [same(setting, value, 'The same steps are done here.')];
    if (site.facts.simple_jwt?.single_use.includes(setting) === true)
      return [
        same(setting, value, 'It is the one of docs/django/serializers.py: one token, one winner, as here.'),
      ];
    const views = mounted(site, kind);
    if (views.length === 0 || views.every((view) => view.serializer_fixed))
      return [same(setting, value, 'No view that goes over uses it.')];
    return [
      cannot(
        setting,
        value,
        kind === 'refresh'
          ? 'Its Python is not run here. Claims that it reads anew go into a view of yours (--user-view, docs/who-may-refresh.md#fresh-claims); what else it does is lost.'
          : `Its Python is not run here. Leave ${views[0]?.path ?? kind} at Django, or do without it.`,
      ),
    ];
  };

/** One for each setting that simplejwt has ever had from 5.2 on: a test holds it to the releases. */
export const SETTING_JUDGES: Readonly<Record<string, Judge>> = {
  ACCESS_TOKEN_LIFETIME: lifetime('access-lifetime'),
  REFRESH_TOKEN_LIFETIME: lifetime('refresh-lifetime'),
  SLIDING_TOKEN_LIFETIME: lifetime('sliding-lifetime'),
  SLIDING_TOKEN_REFRESH_LIFETIME: staysAtDjango(
    'Only the log-in sets it. A refresh keeps the end that it has set.',
  ),
  ROTATE_REFRESH_TOKENS: (site) => rotationRows(site),
  // Told with it.
  BLACKLIST_AFTER_ROTATION: () => [],
  UPDATE_LAST_LOGIN: staysAtDjango(`${LOG_IN} A refresh is no log-in.`),
  ON_LOGIN_SUCCESS: staysAtDjango(LOG_IN),
  ON_LOGIN_FAILED: staysAtDjango(LOG_IN),
  ALGORITHM: (_, setting, value) => [
    ALGORITHMS.some((one) => one === value)
      ? kept(setting, value, { algorithm: String(value) }, 'Tokens are signed and verified with it.')
      : cannot(setting, value, `It is none of ${ALGORITHMS.join(', ')}.`),
  ],
  SIGNING_KEY: ({ facts, choices }, setting) => {
    const { form = 'empty', from = 'SECRET_KEY' } = facts.simple_jwt?.signing_key ?? {};
    if (form === 'text' || form === 'pem')
      return [
        {
          ...same(setting, `(${from}, not told)`, `You put it into ${choices.signingKeyFile}: see below.`),
          verdict: 'set',
          options: { 'signing-key-file': choices.signingKeyFile },
        },
      ];
    return [
      cannot(
        setting,
        `(${form})`,
        form === 'empty'
          ? 'Django has no key to sign with, so it makes no tokens that could be refreshed.'
          : 'The key is no UTF-8 text, which a file can not hold for this server. Sign with a key of text.',
      ),
    ];
  },
  VERIFYING_KEY: (site, setting) => {
    const form = site.facts.simple_jwt?.verifying_key ?? 'empty';
    const asymmetric = /^(RS|PS|ES|Ed)/.test(textSetting(site, 'ALGORITHM') ?? '');
    if (!asymmetric)
      return [
        same(setting, form === 'empty' ? '' : '(not told)', 'Not used: with HS* the signing key verifies.'),
      ];
    return [
      form === 'empty'
        ? cannot(setting, '', 'Django has no key to verify with.')
        : same(
            setting,
            '(not told)',
            "The public half of the signing key. doctor tries your database's tokens.",
          ),
    ];
  },
  JWK_URL: ({ facts }, setting) => [
    facts.simple_jwt?.jwk_url === true
      ? cannot(
          setting,
          '(given, not told)',
          'No keys are fetched here. Save the key set to a file and name it with --verifying-key-file.',
        )
      : same(setting, null, 'Keys are in files.'),
  ],
  AUDIENCE: (_, setting, value) => {
    const all = Array.isArray(value) ? (value as unknown[]) : [value];
    if (value === null) return [same(setting, value, 'Tokens name none.')];
    const fits = all.every(
      (one) => typeof one === 'string' && one.trim() === one && one !== '' && !one.includes(','),
    );
    return [
      fits && all.length > 0
        ? kept(setting, value, { audience: all.join(',') }, 'It is required and signed.')
        : cannot(setting, value, '--audience takes texts without commas and blanks around them.'),
    ];
  },
  ISSUER: (_, setting, value) => [
    value === null
      ? same(setting, value, 'Tokens name none.')
      : typeof value === 'string'
        ? kept(setting, value, { issuer: value }, 'It is required and signed.')
        : cannot(setting, value, '--issuer takes one text.'),
  ],
  LEEWAY: (_, setting, value) => {
    const seconds = typeof value === 'number' ? value : secondsOf(value);
    const text = seconds === undefined ? undefined : durationText(seconds);
    return [
      text === undefined
        ? cannot(setting, value, 'It is neither a number of seconds nor a timedelta.')
        : kept(setting, value, { leeway: text }, 'The same verdict at the edge.'),
    ];
  },
  JSON_ENCODER: (_, setting, value) => [
    value === null
      ? same(setting, value, 'Plain JSON.')
      : differs(setting, value, 'It is not run: claims keep the JSON that they arrive with.'),
  ],
  AUTH_HEADER_TYPES: (_, setting, value) => {
    const [first] = Array.isArray(value) ? (value as unknown[]) : [value];
    return [
      first === 'Bearer'
        ? same(setting, value, API)
        : cannot(
            setting,
            value,
            'A 401 here says `WWW-Authenticate: Bearer realm="api"`. Its body is the same.',
          ),
    ];
  },
  AUTH_HEADER_NAME: staysAtDjango(API),
  AUTH_TOKEN_CLASSES: staysAtDjango(API),
  TOKEN_USER_CLASS: staysAtDjango(API),
  USER_ID_FIELD: () => [],
  USER_AUTHENTICATION_RULE: () => [],
  CHECK_USER_IS_ACTIVE: () => [],
  USER_ID_CLAIM: (site, setting, value) => {
    if (typeof value !== 'string')
      return [cannot(setting, value, 'A token without a user can not be checked.')];
    const text = value === 'sub' && refusesNumbers(site) ? { 'sub-as-text': 'true' } : {};
    return [
      kept(
        setting,
        value,
        { 'user-id-claim': value, ...text },
        'sub-as-text' in text
          ? 'The claim keeps its name. An integer `sub` is written as text: your PyJWT refuses a number.'
          : 'The claim keeps its name.',
      ),
    ];
  },
  JTI_CLAIM: claimName(
    'jti-claim',
    'A token without an id can not be spent: it is refused here (401 Token has no id).',
  ),
  TOKEN_TYPE_CLAIM: claimName(
    'token-type-claim',
    'An access token would pass for a refresh token: it is refused here (401 Token has no type).',
  ),
  SLIDING_TOKEN_REFRESH_EXP_CLAIM: claimName('sliding-refresh-exp-claim', 'It has no name.'),
  TOKEN_OBTAIN_SERIALIZER: staysAtDjango(`${LOG_IN} Claims that it adds are kept by every refresh.`),
  SLIDING_TOKEN_OBTAIN_SERIALIZER: staysAtDjango(`${LOG_IN} Claims that it adds are kept by every refresh.`),
  TOKEN_REFRESH_SERIALIZER: serializer('refresh', 'TokenRefreshSerializer'),
  TOKEN_VERIFY_SERIALIZER: serializer('verify', 'TokenVerifySerializer'),
  TOKEN_BLACKLIST_SERIALIZER: serializer('blacklist', 'TokenBlacklistSerializer'),
  SLIDING_TOKEN_REFRESH_SERIALIZER: serializer('sliding', 'TokenRefreshSlidingSerializer'),
  CHECK_REVOKE_TOKEN: (site, setting, value) => {
    if (value !== true) return [same(setting, value, 'Passwords are not compared.')];
    const claim = textSetting(site, 'REVOKE_TOKEN_CLAIM');
    const password = site.facts.user?.password;
    if (claim === undefined || password === null || password === undefined)
      return [cannot(setting, value, 'The user model has no column `password` to compare with.')];
    const means =
      'A changed password is refused at the next refresh. simplejwt up to 5.5.1 refuses it at the API only. Here it is not written down as blacklisted.';
    return [kept(setting, value, { 'revoke-claim': claim, 'user-password-column': password.column }, means)];
  },
  REVOKE_TOKEN_CLAIM: (site, setting, value) =>
    settingOf(site, 'CHECK_REVOKE_TOKEN') === true ? [] : [same(setting, value, 'Not used.')],
};

/** PyJWT from 2.10 on takes a `sub` of text only; simplejwt from 5.5.1 on writes text by itself. */
function refusesNumbers(site: Site): boolean {
  const pyjwt = atLeast(site.facts.versions?.get('pyjwt'), [2, 10]);
  return pyjwt !== false && atLeast(simplejwtVersion(site), [5, 5, 1]) !== true;
}

export function settingRows(site: Site): Row[] {
  const { simple_jwt } = site.facts;
  if (simple_jwt === null) return [];
  const keys = ['SIGNING_KEY', 'VERIFYING_KEY', 'JWK_URL'];
  const names = [...simple_jwt.values.keys(), ...keys];
  const judged = names.flatMap(
    (name) => SETTING_JUDGES[name]?.(site, name, simple_jwt.values.get(name)) ?? [unjudged(name)],
  );
  const newer = simple_jwt.newer.map(({ name, given }) =>
    given
      ? cannot(name, '(not told)', 'This release does not know this setting of simplejwt.')
      : differs(
          name,
          '(the default)',
          'This release does not know this setting of simplejwt. You have not set it.',
        ),
  );
  const unknown = simple_jwt.unknown.map((name) =>
    same(
      name,
      '(not told)',
      `simplejwt ${simplejwtVersion(site) ?? ''} has no such setting, and ignores it.`,
    ),
  );
  return [versionRow(site), ...userCheckRows(site), ...judged, ...newer, ...unknown];
}

const unjudged = (name: string): Row =>
  cannot(name, '(not told)', 'This release does not know this setting of simplejwt.');

/** Up to 5.3 a refresh does not look at the user at all. */
function userCheckRows({ facts }: Site): Row[] {
  return facts.simple_jwt?.asks_user === false
    ? [
        differs(
          'who may refresh',
          'everybody, up to simplejwt 5.3',
          'Inactive and deleted users are refused at the next refresh. In Django they are refused at the API only.',
        ),
      ]
    : [];
}

/** Texts of errors: by what the code has, for the version may be that of another copy. */
function versionRow(site: Site): Row {
  const compat = site.facts.simple_jwt?.tells_expired === true ? '5.5' : '5.2';
  return kept(
    'simplejwt',
    simplejwtVersion(site) ?? '(no version)',
    { 'simplejwt-compat': compat },
    `Errors have its texts: ${compat === '5.5' ? '5.5 and later' : '5.4 and before'}.`,
  );
}
