import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIGRATE_OPTIONS } from '../../src/config/migrate-options.js';
import { variableOf, type Table } from '../../src/config/option.js';
import { SERVE_OPTIONS } from '../../src/config/serve-options.js';
import { run } from './run.js';

const ANSI = '\u001b[';

describe('usage', () => {
  const commands: [string, Table][] = [
    ['serve', SERVE_OPTIONS],
    ['migrate', MIGRATE_OPTIONS],
  ];

  it.each(commands)('%s --help tells the default and the variables of every option', async (name, table) => {
    const { code, stdout, stderr } = await run([name, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    const help = stdout.replace(/\s+/g, ' ');
    for (const [flag, option] of Object.entries(table)) {
      if (option.form === 'secret') {
        expect(help).toContain(`${variableOf(flag)} ${option.help}`);
        expect(help).not.toContain(`--${flag} `);
        continue;
      }
      expect(help).toContain(` --${flag} `);
      const fallback = option.defaultText === undefined ? '' : ` (default: ${option.defaultText})`;
      const variables = [variableOf(flag), ...option.customary].join(', ');
      expect(help).toContain(`${option.help}${fallback}${option.typed ? '' : ` [${variables}]`}`);
    }
    for (const line of ['2 usage', '5 another runner holds the lock']) expect(help).toContain(line);
  });

  it('every command reads --env-file', async () => {
    const { stdout } = await run(['--help']);
    const names = [...stdout.matchAll(/^ {2}([a-z-]+) .*\[options\]/gm)].map(([, name]) => name!);
    expect(names).toEqual(expect.arrayContaining(['serve', 'audit', 'adopt', 'bench']));
    // By the variable: of a flag's file Node itself says that it isn't there.
    const ended = await Promise.all(
      names.map((name) => run([name], { CARELINK_ENV_FILE: '/nowhere/gone.env' })),
    );
    for (const [n, { code, stderr }] of ended.entries())
      expect([names[n], code, stderr]).toEqual([
        names[n],
        2,
        expect.stringContaining('the file /nowhere/gone.env does not exist.'),
      ]);
  });

  it('a flag that names no file of variables ends before anything is done', async () => {
    const { code, stdout, stderr } = await run(['serve', '--env-file', '/nowhere/gone.env']);
    expect([code, stdout, stderr]).toEqual([9, '', expect.stringContaining('/nowhere/gone.env: not found')]);
  });

  it.each([
    ['migrate'],
    ['migrate', 'status'],
    ['migrate', 'plan'],
    ['cleanup'],
    ['cleanup', '--dry-run'],
    ['revoke', '--user', '4711', '--yes'],
    ['revoke', '--issued-before', 'now', '--yes'],
    ['doctor'],
  ])('%s %s %s without a database ends with 2, says what to give, and makes nothing', async (...args) => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-nothing-'));
    try {
      const { code, stdout, stderr } = await run(args, {}, directory);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/No database was named.*--database-url/s);
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([
    [[], 'Usage: carelink-tokens'],
    [['serv'], 'Did you mean serve?'],
    [['serve', '--prot', '1'], 'Did you mean --port?'],
    [['serve', '--port'], 'argument missing'],
    [['serve', 'extra'], 'too many arguments'],
    [['serve', '--port', 'x', '--leeway', '5'], '--leeway takes a duration from 0s to 1h'],
    [['serve', '--blacklist', 'async'], 'needs a Redis'],
    [['serve', '--signing-key', 'hunter2'], 'set CARELINK_SIGNING_KEY in the environment'],
    [['serve', '--database-url', 'postgres://h/d'], 'set CARELINK_SIGNING_KEY, or name its file'],
    [['serve', '--rotation', 'keep', '--on-reuse', 'revoke-user'], 'leave --on-reuse revoke-user out'],
    [['serve', '--rotation', 'keep', '--reuse-grace', '10s'], 'there is nothing to repeat'],
    [['serve', '--rotation', 'keep', '--blacklist', 'async'], 'there is nothing to write behind'],
    [['serve', '--rotation', 'on', '--token-tables', 'none'], 'a token is spent by a row in those tables'],
    [['migrate', 'sideways'], 'migrate does one of up, status, plan, down, repair, grants, not "sideways"'],
    [['migrate', '--port', '1'], "unknown option '--port'"],
    [['migrate', '--log-level', 'loud'], 'one of debug, info, warn, error, silent, not "loud"'],
  ])('%j ends with 2 and says on stderr what is allowed', async (args, says) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('hunter2');
    expect(stderr).not.toMatch(/\n {4}at /);
  });

  it('all that is wrong is told in one go, of flags and of variables', async () => {
    const env = { PORT: 'http', CARELINK_ON_REUSE: 'shrug' };
    const { code, stderr } = await run(['serve', '--user-check', 'maybe'], env);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toEqual([
      'error: CONFIG_INVALID: PORT takes a port from 0 to 65535, not "http".',
      '       CARELINK_ON_REUSE takes one of reject, revoke-family, revoke-user, not "shrug".',
      '       --user-check takes one of auto, on, exists, off, not "maybe".',
    ]);
  });

  it('there are no escape sequences in pipes, whatever the environment asks for', async () => {
    for (const env of [{}, { FORCE_COLOR: '1' }, { TERM: 'xterm-256color', COLORTERM: 'truecolor' }]) {
      for (const args of [['serve', '--help'], ['serve', '--port', 'x'], ['nonsense']]) {
        const { stdout, stderr } = await run(args, env);
        expect(stdout + stderr).not.toContain(ANSI);
      }
    }
  });

  /** Of util-linux: gives a command a terminal. Other systems have none, or another one of that name. */
  const withTerminal = 'script';
  const terminal = (env: Record<string, string>) =>
    spawnSync(
      withTerminal,
      ['-qec', `'${process.execPath}' bin/carelink-tokens.js serve --port x`, '/dev/null'],
      {
        env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...env },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
  it.skipIf(terminal({}).status !== 2)('a terminal gets colour, unless NO_COLOR is set', () => {
    expect(terminal({}).stdout).toContain(`${ANSI}31merror:`);
    expect(terminal({ NO_COLOR: '1' }).stdout).not.toContain(ANSI);
    expect(terminal({ NO_COLOR: '1' }).stdout).toContain('error:');
  });

  it.skipIf(process.platform === 'win32')('a reader that closes the pipe early is no crash', () => {
    const shell = `'${process.execPath}' bin/carelink-tokens.js serve --help | head -1`;
    const { stdout, stderr } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
    expect(stdout).toBe('Usage: carelink-tokens serve [options]\n');
    expect(stderr).toBe('');
  });

  it('a checkout that is not built says how to build it', () => {
    const checkout = mkdtempSync(join(tmpdir(), 'carelink-checkout-'));
    try {
      cpSync('bin', join(checkout, 'bin'), { recursive: true });
      writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
      const { status, stderr } = spawnSync(process.execPath, [join(checkout, 'bin/carelink-tokens.js')], {
        encoding: 'utf8',
      });
      expect(status).toBe(2);
      expect(stderr).toContain('npm run build');
    } finally {
      rmSync(checkout, { recursive: true });
    }
  });
});

describe('a slip of the finger', () => {
  const KEY = { CARELINK_SIGNING_KEY: 'a key that is long enough for HS256, really' };

  it('in a variable is answered with the name that was meant', async () => {
    const slips = { CARELINK_REUSE_GRAC: '1s', CARELINK_DATABASE: 'x', CARELINK_SIGNINGKEY: 'secret' };
    const { stderr } = await run(['doctor', '--port', 'x'], { ...KEY, ...slips, CARELINK_PORT: '8000' });
    expect(stderr).not.toContain('secret');
    const warned = (await run(['cleanup', '--database-url', 'postgres://127.0.0.1:1/x'], slips)).stderr;
    for (const meant of ['REUSE_GRACE', 'DATABASE_URL', 'SIGNING_KEY'])
      expect(warned).toContain(`Did you mean CARELINK_${meant}?`);
  });

  it.each([
    ['postgres://app:hun/ter2@127.0.0.1/app', 'special character: write / as %2F'],
    ['postgres://app:hun@ter2/x@127.0.0.1/app', 'special character: write / as %2F'],
    [
      'postgres://app:hunter2@127.0.0.1/app?sslmode=yes',
      'sslmode is none that there is: give one of disable,',
    ],
  ])('in %s is found before anybody is asked', async (url, says) => {
    const { code, stderr } = await run(['serve'], { ...KEY, DATABASE_URL: url });
    expect(code).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/hun|ter2/);
  });

  it.each([
    ['sslmode=require', 'its sslmode=require encrypts and verifies no certificate, as in libpq'],
    ['keepalives_count=3', 'its parameter keepalives_count has no effect here'],
    ['pgbouncer=true', 'its parameter pgbouncer is not known here'],
  ])('or a habit: %s is told as what it means, with --json in JSON alone', async (parameter, says) => {
    const url = `postgres://me:hunter2@127.0.0.1:1/app?${parameter}`;
    const [{ stderr }, json] = await Promise.all([
      run(['cleanup', '--database-url', url]),
      run(['cleanup', '--json', '--database-url', url]),
    ]);
    expect(stderr).toMatch(new RegExp(`^warning: --database-url: ${says}`, 'm'));
    expect(stderr).not.toMatch(/pg-connection-string|hunter2/);
    const told = json.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { message?: string });
    expect(told.some(({ message }) => message?.includes(says))).toBe(true);
  });

  it('that names no database is told as one thing', async () => {
    const nowhere = mkdtempSync(join(tmpdir(), 'carelink-nowhere-'));
    try {
      const { code, stderr } = await run(['migrate', '--data-dir', nowhere]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^error: DATABASE_NOT_NAMED: /);
    } finally {
      rmSync(nowhere, { recursive: true });
    }
  });

  it.skipIf(process.platform !== 'linux')(
    'of a limit of open files that nothing starts under is named',
    () => {
      const { status, stderr } = spawnSync(
        'sh',
        ['-c', 'ulimit -n 64 && exec "$1" bin/carelink-tokens.js doctor', 'sh', process.execPath],
        { encoding: 'utf8' },
      );
      expect(status).toBe(2);
      expect(stderr).toMatch(/^carelink-tokens may open 64 files, and needs 256 to start\. Raise the limit/);
    },
  );
});

describe('a database that is not there', () => {
  it.each(['serve', 'migrate'])('ends %s with 4, without its password', async (name) => {
    const listener = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const { port } = listener.address() as AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    const env = {
      DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/app`,
      CARELINK_SIGNING_KEY: 'a key that is long enough for HS256, really',
    };
    const ports = name === 'serve' ? ['--port', '0', '--admin-port', '0', '--database-wait', '0s'] : [];
    const { code, stdout, stderr } = await run([name, ...ports], env);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).not.toContain('hunter2');
  });
});
