import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Flags } from '../../../src/config/resolve.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import { processSource, type Source } from '../../../src/config/source.js';
import { pathsUnder } from '../../support/endpoint-paths.js';
import { TLS } from '../../support/tls-pair.js';
import { problemsOf, source } from './source.js';

const URL_AND_KEY = { DATABASE_URL: 'postgres://u:p4ss@h/d', CARELINK_SIGNING_KEY: 'a secret' };

const problems = (flags: Flags, from: Source = source()) => problemsOf(() => serveSettings(flags, from));

describe("serve's settings", () => {
  it('have every default of the contract', () => {
    expect(serveSettings({}, source())).toEqual({
      command: 'serve',
      workers: 1,
      listenUrl: undefined,
      database: { kind: 'embedded', dataDir: '/srv/app/.carelink' },
      json: false,
      quiet: false,
      logLevel: 'info',
      warnings: [],
      poolSize: 8,
      redis: undefined,
      http: {
        host: '127.0.0.1',
        port: 8000,
        basePath: '/account/token',
        paths: pathsUnder('/account/token'),
        maxConnections: 10_000,
        tls: undefined,
        compat: '5.5',
        cookies: undefined,
        corsOrigins: [],
        corsHeaders: [],
        trustedProxies: { ranges: [], header: 'x-forwarded-for' },
        throttle: { user: undefined, address: undefined },
        accessLog: 'off',
        demo: false,
      },
      admin: { host: '127.0.0.1', port: 9464 },
      alertWebhook: undefined,
      keys: { algorithm: 'HS256', signingKey: undefined, verifyingKeys: [], chainKeys: [] },
      tokens: {
        accessLifetimeSeconds: 900,
        refreshLifetimeSeconds: 43_200,
        slidingLifetimeSeconds: 900,
        sessionLifetimeSeconds: undefined,
        lifetimeSpread: 0,
        tellsStart: false,
        leewaySeconds: 0,
        audience: [],
        issuer: undefined,
        names: { userId: 'user_id', jti: 'jti', tokenType: 'token_type', slidingEnd: 'refresh_exp' },
        subAsText: false,
        maxTokenBytes: 8_192,
      },
      rotation: {
        policy: 'on',
        tokenTables: true,
        verifyBlacklist: true,
        blacklist: 'auto',
        requestTimeoutMs: 5_000,
        reuseGraceMs: 0,
        onReuse: 'reject',
      },
      users: {
        userCheck: 'auto',
        userTable: undefined,
        userIdColumn: undefined,
        userActiveColumn: 'is_active',
        passwordColumn: 'password',
        userClaimsColumn: undefined,
      },
      shutdownTimeoutMs: 10_000,
      drainDelayMs: 0,
      databaseWaitMs: 60_000,
      // The embedded database has nobody else to tidy it.
      cleanup: {
        everyMs: 3_600_000,
        retentionMs: 604_800_000,
        leewayMs: 0,
        slidingEnd: 'refresh_exp',
        batchSize: undefined,
        targetBatchMs: 25,
        nice: 4,
        maxRows: undefined,
        maxDurationMs: undefined,
        vacuum: 'auto',
        ignoredStandbys: [],
      },
    });
    expect(
      serveSettings({ 'database-url': 'postgres://h/d' }, source({ CARELINK_SIGNING_KEY: 'k'.repeat(64) }))
        .cleanup,
    ).toBeUndefined();
  });

  it('are frozen to the ground', () => {
    const settings = serveSettings({ audience: ['a'] }, source());
    for (const part of [
      settings,
      settings.http,
      settings.tokens,
      settings.tokens.names,
      settings.tokens.audience,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('a flag beats its variable, that one the customary one, and nothing set is not set', () => {
    const env = { PORT: '1', CARELINK_PORT: '2' };
    expect(serveSettings({ port: '3' }, source(env)).http.port).toBe(3);
    expect(serveSettings({}, source(env)).http.port).toBe(2);
    expect(serveSettings({}, source({ ...env, CARELINK_PORT: '' })).http.port).toBe(1);
    expect(serveSettings({}, source({ PORT: ' ' })).http.port).toBe(8000);
  });

  it('a flag turns off what a variable turned on', () => {
    expect(serveSettings({}, source({ CARELINK_JSON: '1' })).json).toBe(true);
    expect(serveSettings({ json: false }, source({ CARELINK_JSON: '1' })).json).toBe(false);
  });

  it('lists come from repeated flags, or from a variable with commas', () => {
    expect(serveSettings({ audience: ['a', 'b,c'] }, source()).tokens.audience).toEqual(['a', 'b,c']);
    const env = { CARELINK_AUDIENCE: 'a , b,,c ' };
    expect(serveSettings({}, source(env)).tokens.audience).toEqual(['a', 'b', 'c']);
  });

  it('--quiet logs warnings only, unless a level is asked for', () => {
    expect(serveSettings({ quiet: true }, source()).logLevel).toBe('warn');
    expect(serveSettings({ quiet: true, 'log-level': 'debug' }, source()).logLevel).toBe('debug');
  });

  it.each([
    ['a database of others', { 'database-url': 'postgres://h/d' }, 'embedded PostgreSQL only'],
    ['a host that is not loopback', { host: '0.0.0.0' }, 'loopback only'],
    ['a name that only looks like it', { host: '127.evil.example' }, 'loopback only'],
  ])('--demo refuses %s', (_what, flags, told) => {
    const env = source('database-url' in flags ? { CARELINK_SIGNING_KEY: 'k'.repeat(64) } : {});
    expect(problems({ demo: true, ...flags }, env).join('\n')).toContain(told);
  });

  it('--shadow-of takes the address of a Django', () => {
    const flags = { 'shadow-of': 'http://127.0.0.1:8001' };
    expect(serveSettings(flags, source(URL_AND_KEY)).shadowOf).toBe('http://127.0.0.1:8001');
    expect(serveSettings({}, source(URL_AND_KEY)).shadowOf).toBeUndefined();
  });

  it.each([
    ['the embedded database', {}, {}, 'needs --database-url'],
    ['several workers', { workers: '2' }, URL_AND_KEY, 'runs in one process'],
    ['a cleanup', { 'cleanup-every': '1h' }, URL_AND_KEY, 'writes nothing'],
    ['a path', { 'shadow-of': 'http://127.0.0.1:8001/api' }, URL_AND_KEY, 'without a path'],
    ['a demo', { demo: true }, {}, 'exclude each other'],
  ])('--shadow-of refuses %s', (_what, flags, env, told) => {
    const all = { 'shadow-of': 'http://127.0.0.1:8001', ...flags };
    expect(problems(all, source(env)).join('\n')).toContain(told);
  });

  it('--demo refuses keys that were given', () => {
    const env = source({ CARELINK_SIGNING_KEY: 'k'.repeat(64) });
    expect(problems({ demo: true }, env).join('\n')).toContain('a signing key of its own');
    expect(serveSettings({ demo: true }, source()).http.demo).toBe(true);
  });

  it('all that is wrong is told at once, with what is allowed', () => {
    const told = problems(
      { 'reuse-grace': '31m', 'on-reuse': 'ignore', 'user-table': 'a.b.c', blacklist: 'async' },
      source({ PORT: '70000', DATABASE_URL: 'mysql://u:p4ss@h/d' }),
    );
    expect(told).toHaveLength(7);
    const text = told.join('\n');
    expect(text).toContain(
      '--reuse-grace takes a duration from 0s to 30m (such as 250ms, 30s, 15m, 12h or 7d), not "31m".',
    );
    expect(text).toContain('--on-reuse takes one of reject, revoke-family, revoke-user, not "ignore".');
    expect(text).toContain('PORT takes a port from 0 to 65535, not "70000".');
    expect(text).toContain('--blacklist async needs a Redis');
    expect(text).toContain('DATABASE_URL takes a URL such as');
    expect(text).toContain('With DATABASE_URL a signing key is required');
  });

  it('an endpoint has a path of its own, and no two have one', () => {
    const base = { 'base-path': '/api' };
    const own = { ...base, 'refresh-path': 'auth/renew/', 'sliding-path': '/verify/' };
    expect(serveSettings({ ...own, 'verify-path': '/check' }, source()).http.paths).toEqual({
      ...pathsUnder('/api'),
      refresh: '/auth/renew',
      sliding: '/verify',
      verify: '/check',
    });
    expect(problems({ ...base, 'sliding-path': '/api/verify' })).toEqual([
      'The sliding and the verify endpoint would both be at /api/verify/: give --sliding-path another.',
    ]);
    expect(problems({ demo: true, 'refresh-path': '/x' }).join()).toContain('leave --refresh-path out');
  });

  it('a password is compared where a claim is named for it, and only with users to compare it with', () => {
    const { users, tokens } = serveSettings({ 'revoke-claim': 'hash_password' }, source());
    expect([users.passwordHash, tokens.names.revoke]).toEqual(['md5', 'hash_password']);
    expect(problems({ 'revoke-claim': 'x', 'user-check': 'off' }).join()).toContain(
      'excludes --user-check off',
    );
    expect(problems({ 'revoke-claim': 'jti' }).join()).toContain('must differ');
    expect(problems({ 'revoke-claim-hash': 'sha1' }).join()).toContain('md5, sha256, sha512');
  });

  it('a leeway may have a fraction, and the cleanup beside it rounds up', () => {
    const { tokens, cleanup } = serveSettings({ leeway: '1.0005s' }, source());
    expect([tokens.leewaySeconds, cleanup?.leewayMs]).toEqual([1.0005, 1_001]);
    for (const leeway of ['1.s', '.5s', '1,5s', '1e3s', '-1s', '61.5m', '1.5'])
      expect(problems({ leeway })).toHaveLength(1);
  });

  it('a session lasts so long or as long as it likes, and lives are spread by up to a half', () => {
    const read = (flags: Record<string, string | boolean>) => {
      const { sessionLifetimeSeconds, tellsStart, lifetimeSpread } = serveSettings(flags, source()).tokens;
      return [sessionLifetimeSeconds, tellsStart, lifetimeSpread];
    };
    expect(read({ 'session-lifetime': '12h', 'lifetime-spread': '12.5%' })).toEqual([43_200, true, 0.125]);
    expect(read({ 'session-start': true, 'lifetime-spread': '50%' })).toEqual([undefined, true, 0.5]);
    for (const lifetime of ['0s', '500ms', '12', 'on', '-1h'])
      expect(problems({ 'session-lifetime': lifetime })).toHaveLength(1);
    for (const spread of ['51%', '0.3', '30', '-1%', '50.001%', '%'])
      expect(problems({ 'lifetime-spread': spread })).toHaveLength(1);
  });

  it('claims have names that differ, also from those whose meaning is fixed', () => {
    expect(problems({ 'sliding-refresh-exp-claim': 'exp' }).join()).toContain('a meaning of its own');
    expect(problems({ 'sliding-refresh-exp-claim': 'jti' }).join()).toContain('must differ');
    expect(problems({ 'sliding-refresh-exp-claim': "a'b" }).join()).toContain('letters, digits');
  });

  it('no message repeats a secret', () => {
    const env = {
      DATABASE_URL: 'mysql://u:hunter2@h/d',
      CARELINK_CHAIN_KEY: 'hunter2',
      CARELINK_HUNTER: 'hunter2',
    };
    const told = problems({ 'signing-key': 'hunter2', 'chain-key': 'hunter2' }, source(env));
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.join('\n')).not.toContain('hunter2');
  });

  it('warns of a variable that no option reads', () => {
    const { warnings } = serveSettings({}, source({ CARELINK_REUSE_GRASE: '5s' }));
    expect(warnings).toEqual([expect.stringContaining('CARELINK_REUSE_GRASE')]);
    expect(serveSettings({}, source({ CARELINK_CREATE_TABLES: '1' })).warnings).toEqual([]);
  });

  it('the refresh cookie and pages of other origins exclude each other', () => {
    const cors = { 'cors-origin': ['https://app.example.org'] };
    expect(serveSettings(cors, source()).http.corsOrigins).toEqual([
      { kind: 'exact', origin: 'https://app.example.org' },
    ]);
    expect(() => serveSettings({ ...cors, 'refresh-cookie': true }, source())).toThrow(
      'excludes --cors-origin',
    );
  });

  it('headers of a site go with origins, by name', () => {
    const cors = { 'cors-origin': ['https://app.example.org'] };
    const named = serveSettings({ ...cors, 'cors-header': ['X-Tenant', 'x-ward'] }, source());
    expect(named.http.corsHeaders).toEqual(['x-tenant', 'x-ward']);
    const fromEnvironment = source({ CARELINK_CORS_HEADER: 'X-Tenant, X-Ward' });
    expect(serveSettings(cors, fromEnvironment).http.corsHeaders).toEqual(['x-tenant', 'x-ward']);
    expect(problems({ 'cors-header': ['X-Tenant'] })).toEqual([
      expect.stringContaining('with --cors-origin'),
    ]);
    expect(problems({ ...cors, 'cors-header': ['*'] })).toEqual([
      expect.stringContaining('name each header'),
    ]);
    expect(problems({ ...cors, 'cors-header': ['X Tenant'] })).toEqual([
      expect.stringContaining('takes the name of a header'),
    ]);
  });

  it('a data directory on the command line and a database URL exclude each other', () => {
    expect(problems({ 'data-dir': 'x' }, source(URL_AND_KEY))).toEqual([
      expect.stringContaining('exclude each other'),
    ]);
    // The default of a container image doesn't.
    const settings = serveSettings({}, source({ ...URL_AND_KEY, CARELINK_DATA_DIR: '/data' }));
    expect(settings.database).toEqual({ kind: 'url', url: URL_AND_KEY.DATABASE_URL });
  });

  it('claims and ports that would be in each other’s way are refused', () => {
    expect(problems({ 'jti-claim': 'user_id' })).toEqual([expect.stringContaining('both user_id')]);
    expect(problems({ 'jti-claim': 'exp' })).toEqual([expect.stringContaining("can't be exp")]);
    expect(problems({ port: '9464' })).toEqual([expect.stringContaining('both 9464')]);
    expect(problems({ port: '0', 'admin-port': '0' })).toEqual([]);
  });
});

describe("serve's keys", () => {
  it('come from the environment untouched, or from a file without its last line end', () => {
    expect(serveSettings({}, source({ CARELINK_SIGNING_KEY: ' s ' })).keys.signingKey).toBe(' s ');
    const files = { '/srv/app/key': 'line one\nline two\n\n', '/run/old': 'old\r\n' };
    const flags = { 'signing-key-file': 'key', 'verifying-key-file': ['/run/old'] };
    const { keys } = serveSettings(flags, source({ CARELINK_SIGNING_KEY: 'beaten by the flag' }, files));
    expect(keys.signingKey).toBe('line one\nline two\n');
    expect(keys.verifyingKeys).toEqual(['old']);
  });

  it('two variables for one key are refused, for neither beats the other', () => {
    const env = { CARELINK_SIGNING_KEY: 'a', CARELINK_SIGNING_KEY_FILE: '/k' };
    expect(problems({}, source(env, { '/k': 'b' }))).toEqual([expect.stringContaining('exclude each other')]);
  });

  it('a file that is not there or empty is named, and is the only complaint', () => {
    const flags = { 'signing-key-file': 'k', 'database-url': 'postgres://h/d' };
    expect(problems(flags)).toEqual(['--signing-key-file: the file /srv/app/k does not exist.']);
    expect(problems(flags, source({}, { '/srv/app/k': ' \n' }))).toEqual([
      '--signing-key-file: the file /srv/app/k is empty.',
    ]);
  });

  it('a key that is not UTF-8 is refused by name, in a file and in a variable, and never read as another key', () => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-keys-'));
    try {
      const [bytes, text] = [join(directory, 'bytes'), join(directory, 'text')];
      writeFileSync(bytes, Buffer.from('gr\xfcn, a secret of one who saves in Latin-1', 'latin1'));
      writeFileSync(text, 'grün, the same in UTF-8\n');
      const real = { ...processSource(), env: {} };
      for (const flags of [{ 'signing-key-file': bytes }, { 'verifying-key-file': [bytes] }]) {
        expect(problemsOf(() => serveSettings(flags, real))).toEqual([
          expect.stringContaining('bytes is not UTF-8'),
        ]);
      }
      expect(serveSettings({ 'signing-key-file': text }, real).keys.signingKey).toBe(
        'grün, the same in UTF-8',
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(problems({}, source({ CARELINK_SIGNING_KEY: 'gr\uFFFDn' }))).toEqual([
      expect.stringMatching(/CARELINK_SIGNING_KEY.*UTF-8/),
    ]);
  });

  it('an asymmetric algorithm needs a key of its own even with the embedded database', () => {
    expect(problems({ algorithm: 'ES256' })).toEqual([expect.stringContaining('ES256 needs a private key')]);
    expect(problems({ algorithm: 'HS512' })).toEqual([]);
  });

  it('chain keys come newest first, separated by commas or white space, none twice', () => {
    const [a, b] = ['aa'.repeat(16), 'bb'.repeat(16)];
    const { keys } = serveSettings({}, source({ CARELINK_CHAIN_KEY: `${b},\n ${a} ${b}` }));
    expect(keys.chainKeys).toEqual([Buffer.from(b, 'hex'), Buffer.from(a, 'hex')]);
  });

  it('a key file that every user can read is warned of, and a file that is public anyway is not', () => {
    const files = { '/k': 'a secret', '/old': 'another', '/srv/app/crt': TLS.cert, '/srv/app/key': TLS.key };
    const flags = {
      'signing-key-file': '/k',
      'verifying-key-file': ['/old'],
      'tls-cert': 'crt',
      'tls-key': 'key',
    };
    const warnings = (mode: number, more: Record<string, string> = {}): readonly string[] => {
      const modes = Object.fromEntries(Object.keys(files).map((path) => [path, mode]));
      return serveSettings({ ...flags, ...more }, source({}, files, modes)).warnings;
    };
    expect(warnings(0o100600)).toEqual([]);
    expect(warnings(0o100640)).toEqual([]);
    expect(warnings(0o100644).map((sentence) => sentence.slice(0, sentence.indexOf(':')))).toEqual([
      '--tls-key',
      '--signing-key-file',
      '--verifying-key-file',
    ]);
    expect(warnings(0o100644)[0]).toContain('/srv/app/key (mode 0644)');
    expect(warnings(0o100644, { algorithm: 'ES256' }).join()).not.toContain('--verifying-key-file');
  });

  it('a certificate and its key come together and belong together', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const otherKey = other.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const files = { '/srv/app/crt': TLS.cert, '/srv/app/key': TLS.key, '/srv/app/other': otherKey };
    const from = source({}, files);
    expect(serveSettings({ 'tls-cert': 'crt', 'tls-key': 'key' }, from).http.tls).toEqual(TLS);
    for (const flags of [
      { 'tls-cert': 'crt', 'tls-key': 'other' },
      { 'tls-cert': 'key', 'tls-key': 'crt' },
    ]) {
      expect(problems(flags, from)).toEqual([
        expect.stringContaining('no PEM certificate and its private key'),
      ]);
    }
    expect(problems({ 'tls-cert': 'crt' }, from)).toEqual([expect.stringContaining('come together')]);
    expect(problems({ 'tls-key': 'nowhere' }, from)).toEqual([expect.stringContaining('come together')]);
  });
});
