import { COOKIE_OPTIONS } from './cookie-options.js';
import { EDGE_OPTIONS } from './edge-options.js';
import { chainKey, secretText } from './key-kinds.js';
import {
  durationFraction,
  durationMs,
  durationOrOff,
  durationSeconds,
  integer,
  oneOf,
  path,
  port,
  text,
} from './kinds.js';
import { host, hostOrSocket, httpUrl, postgresUrl, urlPath } from './network-kinds.js';
import { DEFAULT_PREFIX, redisPrefix, redisUrl } from './redis-url.js';
import { inGroup, list, optional, secret, secrets, toggle, valued } from './option.js';
import { ROTATION_OPTIONS } from './rotation-options.js';
import { SESSION_OPTIONS } from './session-options.js';
import { SHARED_OPTIONS } from './shared-options.js';
import { slidingClaim } from './sliding-claim.js';
import { PASSWORD_OPTIONS, USER_OPTIONS } from './user-options.js';
import { ALGORITHMS } from './vocabulary.js';

/** Ten years: beyond it, a typing error. */
const lifetime = durationSeconds({ min: '1s', max: '3650d' });

/** A path of its own for an endpoint. */
const ownPath = (setting: string) =>
  optional(urlPath, {
    help: `the path of ${setting}, where --base-path does not give it`,
    absentText: `--base-path and ${setting}`,
  });

/** All that `serve` takes, in the order in which the help shows it. */
export const SERVE_OPTIONS = {
  ...inGroup('Ports and paths', {
    host: valued(hostOrSocket, {
      default: '127.0.0.1',
      help: 'where the token endpoints listen; unix:/run/x.sock: at a socket, mode 0660',
    }),
    port: valued(port, {
      default: '8000',
      help: 'the port of the token endpoints; 0 takes a free one',
      customary: ['PORT'],
    }),
    'base-path': valued(urlPath, { default: '/account/token', help: 'what their paths begin with' }),
    'refresh-path': ownPath('refresh/'),
    'verify-path': ownPath('verify/'),
    'blacklist-path': ownPath('blacklist/'),
    'sliding-path': ownPath('sliding/refresh/'),
    'admin-host': valued(host, { default: '127.0.0.1', help: 'where health and metrics listen' }),
    'admin-port': valued(port, {
      default: '9464',
      help: 'the port of health and metrics; 0 takes a free one',
    }),
  }),
  ...inGroup('Logs and alerts', {
    'alert-webhook': optional(httpUrl, {
      help: 'where alerts are posted to as JSON, when they are raised and when they are over',
      absentText: 'nowhere; they are in the log, the metrics and the dashboard',
      sensitive: true,
    }),
  }),
  ...inGroup('Ports and paths', {
    'tls-cert': optional(path('file'), {
      help: 'PEM certificate chain: serve https (with --tls-key); a renewed one is taken while it runs',
    }),
    'tls-key': optional(path('file'), { help: 'PEM private key of the certificate' }),
  }),
  ...EDGE_OPTIONS,
  ...inGroup('Ports and paths', {
    'max-connections': valued(integer({ min: 1, max: 1_000_000 }), {
      default: '10000',
      help: 'HTTP connections at most',
    }),
  }),
  ...inGroup('Lifetimes', {
    'access-lifetime': valued(lifetime, { default: '15m', help: "an access token's life" }),
    'refresh-lifetime': valued(lifetime, { default: '12h', help: "a refresh token's life" }),
    'sliding-lifetime': valued(lifetime, { default: '15m', help: "a sliding token's life" }),
  }),
  ...SESSION_OPTIONS,
  ...inGroup('Keys and claims', {
    algorithm: valued(oneOf(ALGORITHMS), {
      default: 'HS256',
      help: `the algorithm that signs and verifies: ${ALGORITHMS.join(', ')}`,
    }),
    'signing-key-file': optional(path('file'), {
      help: "file with the key that signs: Django's SIGNING_KEY or SECRET_KEY, or a PEM or JWK private key; one line end after it is left out. Read again on SIGHUP",
      absentText: 'CARELINK_SIGNING_KEY; the embedded server makes one',
    }),
    'verifying-key-file': list(path('file'), {
      help: 'file with another key that is accepted: an earlier secret, a PEM public key, a JWK or JWKS. Read again on SIGHUP',
    }),
    leeway: valued(durationFraction({ min: '0s', max: '1h' }), {
      default: '0s',
      help: 'how far clocks may differ when a token expires',
    }),
    audience: list(text('name'), { help: 'an `aud` that is accepted; tokens that are signed carry them' }),
    issuer: optional(text('name'), { help: 'the `iss` that is required and signed' }),
    'user-id-claim': valued(text('claim'), { default: 'user_id', help: "simplejwt's USER_ID_CLAIM" }),
    'jti-claim': valued(text('claim'), { default: 'jti', help: "simplejwt's JTI_CLAIM" }),
    'token-type-claim': valued(text('claim'), {
      default: 'token_type',
      help: "simplejwt's TOKEN_TYPE_CLAIM",
    }),
    'sliding-refresh-exp-claim': slidingClaim,
    'sub-as-text': toggle({
      help: 'write an integer `sub` as text in what is signed: PyJWT from 2.10 on refuses a number. Once all instances run this release',
    }),
    'max-token-bytes': valued(integer({ min: 1_024, max: 65_536 }), {
      default: '8192',
      help: 'a longer token is refused unread',
    }),
  }),
  ...ROTATION_OPTIONS,
  ...inGroup('Rotation', {
    blacklist: valued(oneOf(['auto', 'sync', 'async']), {
      default: 'auto',
      help: 'when a spent token is written down: sync is before the answer, async within half a second of it, over Redis; auto: async while Redis is there and changes by Django are heard (migrate --notify)',
    }),
  }),
  ...inGroup('Redis', {
    'redis-url': optional(redisUrl, {
      help: 'the Redis that the instances share, as Django writes it: also rediss://, unix://, redis+cluster://h1,h2,h3, redis+sentinel://h1,h2/master-name',
      absentText: 'none: each process remembers by itself',
      customary: ['REDIS_URL'],
      sensitive: true,
    }),
    'redis-prefix': valued(redisPrefix, {
      default: DEFAULT_PREFIX,
      help: 'what all keys in that Redis begin with: another one for each system that shares it',
    }),
  }),
  ...inGroup('Running', {
    'request-timeout': valued(durationMs({ min: '100ms', max: '60s' }), {
      default: '5s',
      help: 'how long a refresh may wait for the database',
    }),
  }),
  ...inGroup('Rotation', {
    'reuse-grace': valued(durationMs({ min: '0s', max: '30m' }), {
      default: '0s',
      help: 'how long a repeat of a rotated token gets the same pair again; 10s if not given with --cookie-style dj-rest-auth',
    }),
    'on-reuse': valued(oneOf(['reject', 'revoke-family', 'revoke-user']), {
      default: 'reject',
      help: 'what follows when a spent token comes back after that',
    }),
  }),
  ...USER_OPTIONS,
  ...PASSWORD_OPTIONS,
  ...inGroup('Site', {
    'simplejwt-compat': valued(oneOf(['5.2', '5.5']), {
      default: '5.5',
      help: 'the version whose texts of errors are answered',
    }),
  }),
  ...inGroup('Database', {
    'listen-url': optional(postgresUrl, {
      help: 'a direct connection to hear the triggers of `migrate --notify` by, where --database-url is a pooler',
      absentText: '--database-url',
      sensitive: true,
    }),
  }),
  ...inGroup('Running', {
    workers: valued(integer({ min: 1, max: 256 }), {
      default: '1',
      help: 'processes that share the port, one a core; with --database-url only, and best with --redis-url',
    }),
  }),
  ...COOKIE_OPTIONS,
  ...inGroup('Running', {
    'shadow-of': optional(httpUrl, {
      help: 'the URL of your Django: pass every request on to it, answer with its answers, and report at /shadow of the admin port where this server would have answered otherwise; with --database-url, and nothing is written',
      absentText: 'this server answers itself',
    }),
    demo: toggle({
      help: 'a page and a log-in without password for trying it: embedded database and loopback only',
    }),
    'pool-size': valued(integer({ min: 1, max: 1_000 }), {
      default: '8',
      help: 'connections to --database-url at most, of each worker; the embedded PostgreSQL takes one',
    }),
    'cleanup-every': optional(durationOrOff({ min: '1m', max: '30d' }), {
      help: 'remove expired tokens as `cleanup` does, so long after each beginning; off: never',
      absentText: '1h with the embedded PostgreSQL, else off',
    }),
    'shutdown-timeout': valued(durationMs({ min: '0s', max: '15m' }), {
      default: '10s',
      help: 'how long a stop waits for what is in flight',
    }),
    'drain-delay': valued(durationMs({ min: '0s', max: '15m' }), {
      default: '0s',
      help: 'how long a stop goes on serving while /readyz says 503, so that balancers look elsewhere first',
    }),
    'database-wait': valued(durationMs({ min: '0s', max: '1h' }), {
      default: '60s',
      help: 'how long a start waits for a PostgreSQL that is not up yet',
    }),
  }),
  ...SHARED_OPTIONS,
  ...inGroup('Keys and claims', {
    'signing-key': secret(secretText, {
      help: 'the key that signs, where there is no --signing-key-file',
    }),
    'chain-key': secrets(chainKey, {
      help: 'hex or base64, 16 bytes or more, newest first (default: from the signing key)',
    }),
  }),
};
