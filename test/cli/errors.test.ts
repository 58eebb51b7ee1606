import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  CLEANUP_EXIT_CODES,
  DATA_DIRECTORY_EXIT_CODES,
  MIGRATE_EXIT_CODES,
  REVOKE_EXIT_CODES,
  SESSIONS_EXIT_CODES,
} from '../../src/compose/command-errors.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { run, type Finished } from './run.js';

type Line = Record<string, unknown>;

/** Throws where a line is no JSON: that is the test. */
const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

const NOBODY = ['--database-url', 'postgres://me:hunter2@127.0.0.1:1/app'];
const ENV = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name));

describe('what ends a command', () => {
  it.each<[string, string[], number, string]>([
    ['serve', [...NOBODY, '--database-wait', '0s'], 4, 'DATABASE_UNREACHABLE'],
    ['migrate', NOBODY, 4, 'DATABASE_UNREACHABLE'],
    ['cleanup', NOBODY, 4, 'DATABASE_UNREACHABLE'],
    ['revoke', [...NOBODY, '--user', '1', '--yes'], 4, 'DATABASE_UNREACHABLE'],
    ['bench', ['http://127.0.0.1:1'], 4, 'TARGET_UNREACHABLE'],
    ['doctor', ['--port', 'x'], 2, 'CONFIG_INVALID'],
    ['doctor', ['--prot', '1'], 2, 'USAGE'],
    ['servus', [], 2, 'USAGE'],
  ])(
    'is told with its code, of %s %j: as the last line on stdout with --json, else on stderr',
    async (command, args, exitCode, code) => {
      // prettier-ignore
      const [json, text] = await Promise.all([
      run([command, '--json', ...args], ENV),
      run([command, ...args], ENV),
    ]);
      expect(linesOf(json.stdout).at(-1)).toEqual({
        event: 'error',
        code,
        exit_code: exitCode,
        message: expect.any(String),
      });
      // Whoever reads stderr alone finds it there, too, and no line that is no JSON.
      expect(linesOf(json.stderr).at(-1)).toMatchObject({ level: 'error', event: 'error', code });
      expect([json.code, text.code, text.stdout]).toEqual([exitCode, exitCode, '']);
      expect(text.stderr).toMatch(new RegExp(`^error: ${code}: `, 'm'));
      expect(json.stdout + json.stderr + text.stderr).not.toContain('hunter2');
    },
  );

  it('with --json in the environment is the same', async () => {
    const { stdout } = await run(['doctor', '--port', 'x'], { ...ENV, CARELINK_JSON: 'true' });
    expect(linesOf(stdout)).toMatchObject([{ event: 'error', code: 'CONFIG_INVALID' }]);
  });

  it("Node's warnings come in the form of the rest, without the URL that one may quote", async () => {
    // The first thing that the command does is to see to signals.
    const script =
      'process.on("newListener",(name)=>{if(name==="SIGUSR1")process.emitWarning("odd:postgres://me:hunter2@h/d","OddWarning")})';
    const env = { ...ENV, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
    const warned = async (...args: string[]): Promise<Finished> => {
      const finished = await run(['migrate', 'status', ...NOBODY, ...args], env);
      expect(finished.stderr).toContain('OddWarning');
      expect(finished.stderr).not.toContain('hunter2');
      return finished;
    };
    expect(linesOf((await warned('--json')).stderr)[0]).toMatchObject({ level: 'warn', event: 'warning' });
    expect((await warned()).stderr).toMatch(/^warning: Node warns \(OddWarning\)/m);
  });
});

it('every code that a command can end with is explained in docs/reference/exit-codes.md', () => {
  const sources = SOURCES.map((file) => readFileSync(file, 'utf8'));
  const thrown = sources.flatMap((text) =>
    [...text.matchAll(/new (?:CommandError|BenchError)\([^;]*?'([A-Z_]{5,})'/g)].map(([, code]) => code!),
  );
  const unions = ['src/jwt/key-error.ts', 'src/store/errors.ts'].flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^ +\| '([A-Z_]+)'/gm)].map(([, code]) => code!),
  );
  const tables = [
    MIGRATE_EXIT_CODES,
    CLEANUP_EXIT_CODES,
    REVOKE_EXIT_CODES,
    SESSIONS_EXIT_CODES,
    DATA_DIRECTORY_EXIT_CODES,
  ];
  const told = readFileSync('src/compose/connect-errors.ts', 'utf8').match(/DATABASE_[A-Z_]+/g) ?? [];
  const others = ['USAGE', 'CONFIG_INVALID', 'EMBEDDED_FAILED', 'UNEXPECTED'];
  const codes = new Set([...thrown, ...unions, ...tables.flatMap(Object.keys), ...told, ...others]);
  expect(codes.size).toBeGreaterThan(30);
  const manual = readFileSync('docs/reference/exit-codes.md', 'utf8');
  expect(
    [...codes]
      .filter((code) => !manual.includes(`\`${code}\``) && !manual.includes(`\n### ${code}\n`))
      .sort(),
  ).toEqual([]);
});

it('no event of the log carries a value in its name', () => {
  const call = /\blog(?:\.(?:debug|info|warn|error)|\[[^\]]+\])\(\s*([^,)]+)/g;
  for (const file of SOURCES) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(call)) {
      expect([file, name]).toEqual([file, expect.stringMatching(/^'[a-z_]+'$/)]);
    }
  }
});
