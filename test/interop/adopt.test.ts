/** `adopt` as it is typed, at a real Django whose settings are full of secrets, and `doctor` with what it found. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseFacts, SETTING_JUDGES } from '../../src/adopt/index.js';
import { run, type Finished } from '../cli/run.js';
import { environment } from '../support/django.js';
import { manage, manageLine } from '../support/django/process.js';
import { freshDatabase, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';

/** Each where settings hold one. */
const SECRETS = {
  key: 'planted-signing-key-0123456789-0123456789',
  database: 'planted-database-password',
  cache: 'planted-cache-password',
  option: 'planted-database-option',
  issuer: 'planted-issuer-password',
  jwks: 'planted-jwks-password',
  own: 'planted-setting-of-the-site',
};

/** What a site has around these. */
const SETTINGS = {
  MIDDLEWARE: ['people.customs.Audit', 'django.middleware.common.CommonMiddleware'],
  CACHES: {
    default: {
      BACKEND: 'django.core.cache.backends.locmem.LocMemCache',
      LOCATION: `redis://:${SECRETS.cache}@cache:6379`,
      OPTIONS: { password: SECRETS.cache },
    },
  },
  SIMPLE_JWT: {
    ISSUER: `https://u:${SECRETS.issuer}@id.example.org`,
    JWK_URL: `https://u:${SECRETS.jwks}@id.example.org/jwks`,
    OWN_SETTING: SECRETS.own,
  },
  EMAIL_HOST_PASSWORD: SECRETS.own,
};

const ready = services().postgres !== undefined && services().django;

describe.skipIf(!ready)('adopt', () => {
  let database: FreshDatabase;
  let directory: string;
  let probe: string;
  const at = (name: string) => join(directory, name);
  const options = () => {
    const url = new URL(database.url);
    url.password = SECRETS.database;
    const env = {
      DJANGO_SETTINGS: JSON.stringify(SETTINGS),
      DJANGO_BLACKLIST_APP: '0',
      DJANGO_BLACKLIST: '0',
    };
    return environment({ database: url.href, signingKey: SECRETS.key, env });
  };
  const adopt = (...args: string[]): Promise<Finished> =>
    run(['adopt', '--facts', at('facts.json'), ...args], {}, directory);

  beforeAll(async () => {
    database = await freshDatabase();
    directory = mkdtempSync(join(tmpdir(), 'carelink-adopt-'));
    const [printed] = await Promise.all([
      run(['adopt', '--print-probe']),
      manage(options(), ['migrate', '--verbosity', '0']),
    ]);
    expect([printed.code, printed.stderr]).toEqual([0, '']);
    probe = printed.stdout;
    // A site whose start prints, as Django 5.2's shell does by itself.
    writeFileSync(
      at('probe.py'),
      `print("7 objects imported automatically", end="")\n${probe}\nprint("bye")\n`,
    );
    await manageLine(options(), `manage.py shell < ${at('probe.py')} > ${at('facts.json')}`);
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await database.drop();
  });

  test('knows every setting of the simplejwt that is here, and can be read by Python 3.6', async () => {
    const { simple_jwt, problems } = parseFacts(readFileSync(at('facts.json'), 'utf8'));
    expect(problems).toEqual([]);
    expect(simple_jwt?.newer).toEqual([]);
    expect([...simple_jwt!.values.keys()].filter((name) => !(name in SETTING_JUDGES))).toEqual([]);
    writeFileSync(at('plain.py'), probe);
    const check = `import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 6))`;
    await promisify(execFile)('/usr/bin/python3', ['-c', check, at('plain.py')]);
  });

  test('writes settings whole, for their owner alone, and never over a file without a word', async () => {
    const first = await adopt('--out', 'carelink.env');
    expect(first.stderr).toBe('');
    expect(statSync(at('carelink.env')).mode & 0o777).toBe(0o600);
    const text = readFileSync(at('carelink.env'), 'utf8');
    expect(text).toContain('\nCARELINK_ROTATION=keep\nCARELINK_TOKEN_TABLES=none\n');
    expect((await adopt('--out', 'carelink.env')).stdout).toContain('The same settings were there already');
    writeFileSync(at('carelink.env'), 'mine');
    const refused = await adopt('--out', 'carelink.env');
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(/FILE_EXISTS: .*carelink\.env is there already.*--force/);
    expect(readFileSync(at('carelink.env'), 'utf8')).toBe('mine');
    await adopt('--out', 'carelink.env', '--force');
    expect(readFileSync(at('carelink.env'), 'utf8')).toBe(text);
    expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('tells no secret: not in the facts, not in its reports, not in the settings', async () => {
    const [text, json] = [await adopt('--out', 'again.env'), await adopt('--json')];
    const all = [
      readFileSync(at('facts.json'), 'utf8'),
      ...[text, json].flatMap(({ stdout, stderr }) => [stdout, stderr]),
      readFileSync(at('again.env'), 'utf8'),
    ].join('\n');
    expect(Object.entries(SECRETS).filter(([, secret]) => all.includes(secret))).toEqual([]);
    // Where they are is seen all the same.
    expect(all).toContain('people.customs.Audit');
    expect(all).toContain('LocMemCache');
  });

  test('ends with 1 while something is lost that nobody has accepted', async () => {
    const told = await adopt('--json');
    const { rows, ok, left } = JSON.parse(told.stdout) as {
      rows: { setting: string; verdict: string }[];
      ok: boolean;
      left: number;
    };
    const lost = rows.filter(({ verdict }) => verdict === 'cannot').map(({ setting }) => setting);
    expect(lost).toEqual(['ISSUER', 'JWK_URL', 'MIDDLEWARE:people.customs.Audit']);
    expect([told.code, ok, left]).toEqual([1, false, 3]);
    const accepted = await adopt('--quiet', ...lost.flatMap((name) => ['--accept', name]));
    expect([accepted.code, accepted.stderr]).toEqual([0, '']);
    expect(accepted.stdout).toMatch(
      /^\d+ the same, \d+ set, \d+ otherwise, 3 lost\. All that is lost was accepted\.\n$/,
    );
    const misspelt = await adopt('--quiet', '--accept', 'ISSUR');
    expect([misspelt.code, misspelt.stderr]).toEqual([
      1,
      expect.stringContaining('--accept ISSUR: nothing of that name is lost'),
    ]);
  });

  test('says what to do without facts, and with a file that has none', async () => {
    const none = await run(['adopt']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('adopt --print-probe > probe.py')]);
    writeFileSync(at('broken.json'), 'Traceback (most recent call last):\n');
    const broken = await run(['adopt', '--facts', at('broken.json')]);
    expect([broken.code, broken.stderr]).toEqual([
      2,
      expect.stringContaining('the probe did not get to its end'),
    ]);
  });

  test('doctor --facts finds what a configuration has otherwise, and nothing where it has the settings of the file', async () => {
    await adopt('--out', 'doctor.env');
    writeFileSync(at('carelink-signing.key'), `${SECRETS.key}\n`, { mode: 0o600 });
    const doctor = async (...args: string[]) => {
      const { stdout } = await run(
        ['doctor', '--json', '--env-file', at('doctor.env'), '--facts', at('facts.json'), ...args],
        { DATABASE_URL: database.url },
      );
      const { checks } = JSON.parse(stdout) as {
        checks: { check: string; status: string; findings: { what: string }[] }[];
      };
      return (name: string) => checks.find(({ check }) => check === name)!;
    };
    const right = await doctor();
    expect(right('django_settings')).toMatchObject({ status: 'ok' });
    expect(right('django_kept').findings.map(({ what }) => what)).toEqual([
      'ISSUER: (not told: a URL with a password) is lost.',
      'JWK_URL: (given, not told) is lost.',
      'MIDDLEWARE:people.customs.Audit is lost.',
    ]);
    const wrong = await doctor('--rotation', 'off', '--access-lifetime', '1h');
    expect(wrong('django_settings')).toMatchObject({ status: 'fault' });
    expect(wrong('django_settings').findings.map(({ what }) => what)).toEqual([
      "--access-lifetime is set, and nothing in Django's settings asks for it.",
      '--rotation is not what ROTATE_REFRESH_TOKENS in Django wants (True).',
    ]);
  });
});
