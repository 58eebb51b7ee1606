/** What the probe prints at a stock project: Django 3.2, simplejwt 5.2.2, the blacklist app, PostgreSQL. */
import { parseFacts, type Facts } from '../../../src/adopt/index.js';

const SERIALIZERS = 'rest_framework_simplejwt.serializers';

const VALUES = {
  ACCESS_TOKEN_LIFETIME: { seconds: 300 },
  REFRESH_TOKEN_LIFETIME: { seconds: 86400 },
  ROTATE_REFRESH_TOKENS: false,
  BLACKLIST_AFTER_ROTATION: false,
  UPDATE_LAST_LOGIN: false,
  ALGORITHM: 'HS256',
  AUDIENCE: null,
  ISSUER: null,
  JSON_ENCODER: null,
  LEEWAY: 0,
  AUTH_HEADER_TYPES: ['Bearer'],
  AUTH_HEADER_NAME: 'HTTP_AUTHORIZATION',
  USER_ID_FIELD: 'id',
  USER_ID_CLAIM: 'user_id',
  USER_AUTHENTICATION_RULE: 'rest_framework_simplejwt.authentication.default_user_authentication_rule',
  AUTH_TOKEN_CLASSES: ['rest_framework_simplejwt.tokens.AccessToken'],
  TOKEN_TYPE_CLAIM: 'token_type',
  JTI_CLAIM: 'jti',
  TOKEN_USER_CLASS: 'rest_framework_simplejwt.models.TokenUser',
  SLIDING_TOKEN_REFRESH_EXP_CLAIM: 'refresh_exp',
  SLIDING_TOKEN_LIFETIME: { seconds: 300 },
  SLIDING_TOKEN_REFRESH_LIFETIME: { seconds: 86400 },
  TOKEN_REFRESH_SERIALIZER: `${SERIALIZERS}.TokenRefreshSerializer`,
};

const ID = { name: 'id', column: 'id', table: 'auth_user', type: 'AutoField', unique: true, primary: true };

export function view(kind: string, path: string, more: object = {}) {
  const name = { refresh: 'TokenRefresh', verify: 'TokenVerify', blacklist: 'TokenBlacklist' }[kind] ?? kind;
  return {
    kind,
    path,
    varies: false,
    view: `rest_framework_simplejwt.views.${name}View`,
    stock: true,
    overrides: [],
    arguments: [],
    decorators: [],
    serializer: `${SERIALIZERS}.${name}Serializer`,
    serializer_fixed: false,
    authentication: [],
    permissions: [],
    throttles: [],
    renderers: ['rest_framework.renderers.JSONRenderer'],
    parsers: ['JSONParser', 'FormParser', 'MultiPartParser'].map((one) => `rest_framework.parsers.${one}`),
    negotiation: 'rest_framework.negotiation.DefaultContentNegotiation',
    versioning: null,
    exception_handler: 'rest_framework.views.exception_handler',
    ...more,
  };
}

export const printed = (facts: object): string =>
  `-----BEGIN CARELINK FACTS-----\n${JSON.stringify(facts)}\n-----END CARELINK FACTS-----\n`;

const TABLES = ['token_blacklist_blacklistedtoken', 'token_blacklist_outstandingtoken'];

/** Settings of simplejwt, whether its app is there, and whole sections. */
export interface MoreFacts {
  readonly settings?: object;
  readonly app?: boolean;
  readonly [section: string]: unknown;
}

export function stockFacts(more: MoreFacts = {}) {
  const { settings = {}, app = true, ...rest } = more;
  return {
    carelink_facts: 2,
    versions: { simplejwt: '5.2.2', pyjwt: '2.6.0', django: '3.2.25' },
    simple_jwt: {
      values: { ...VALUES, ...settings },
      given: [],
      tells_expired: false,
      asks_user: false,
      unknown: [],
      newer: [],
      single_use: [],
      signing_key: { from: 'SECRET_KEY', form: 'text' },
      verifying_key: 'empty',
      jwk_url: false,
    },
    user: {
      model: 'auth.User',
      table: 'auth_user',
      database: 'default',
      primary_key: ID,
      id_field: ID,
      active: { kind: 'column', ...ID, name: 'is_active', column: 'is_active', type: 'BooleanField' },
      password: { ...ID, name: 'password', column: 'password', type: 'CharField' },
      columns: ['id', 'is_active', 'password'],
      manager: 'django.contrib.auth.models.UserManager',
      manager_filters: false,
      rule: VALUES.USER_AUTHENTICATION_RULE,
    },
    token_views: {
      found: ['refresh', 'verify', 'blacklist'].map((kind) => view(kind, `/account/token/${kind}/`)),
      unrecognised: [],
    },
    databases: {
      aliases: {
        default: {
          engine: 'django.db.backends.postgresql',
          host: 'remote',
          several_hosts: false,
          atomic_requests: false,
        },
      },
      routers: [],
    },
    token_blacklist: {
      installed: app,
      named: app,
      database: 'default',
      written_to: 'default',
      vendor: 'postgresql',
      tables: app ? TABLES.map((name) => ({ schema: 'public', name, visible: true })) : [],
      unapplied: app ? 0 : null,
      user_schema: 'public',
    },
    cors: { used: false },
    dj_rest_auth: { installed: false },
    rest_framework: { NON_FIELD_ERRORS_KEY: 'non_field_errors', UNICODE_JSON: true },
    site: {
      middleware: [],
      language: 'en-us',
      use_i18n: true,
      time_zone: 'UTC',
      use_tz: true,
      script_name: null,
      ssl_redirect: false,
      caches: {},
    },
    problems: [],
    ...rest,
  };
}

export const parsed = (more: MoreFacts = {}): Facts => parseFacts(printed(stockFacts(more)));
