import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** The stages of the Dockerfile: what each line says, continued lines as one. */
function stages(): Instruction[][] {
  const lines = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const found: Instruction[][] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') found.push([]);
    found.at(-1)!.push({ name, rest });
  }
  return found;
}

/**
 * The image without an engine for it: its stages in directories, its copies and its own build done for real. Only what
 * would come from a registry is this repository's own: the base, and the dependencies.
 */
describe('deploy/Dockerfile', () => {
  // The Node that the image has, first in the path: what the instructions start by name is that one.
  let path: string;
  beforeAll(() => {
    const versions = [...stages()].map(([from]) => /^node:(\d+)-bookworm-slim\b/.exec(from!.rest)?.[1]);
    expect(new Set(versions).size).toBe(1);
    const node = execFileSync(process.execPath, [join(ROOT, 'scripts/node-runtimes.mjs'), versions[0]!], {
      encoding: 'utf8',
    });
    path = `${dirname(node.trim())}:${process.env['PATH']!}`;
    expect(execFileSync('node', ['--version'], { env: { PATH: path }, encoding: 'utf8' })).toMatch(/^v24\./);
  });

  const directory = mkdtempSync(join(tmpdir(), 'carelink-image-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const ignored = readFileSync(join(ROOT, 'deploy/Dockerfile.dockerignore'), 'utf8').split('\n');

  const copy = (from: string, to: string) => {
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  };

  const [build = [], image = []] = stages();
  const env: Record<string, string> = {};
  let entrypoint: string[] = [];
  let command: string[] = [];
  let health: string[] = [];

  it('builds, of what is let into the build', async () => {
    const at = join(directory, 'build');
    mkdirSync(at);
    for (const { name, rest } of build) {
      if (name === 'COPY') {
        const words = rest.split(/\s+/);
        for (const source of words.slice(0, -1)) {
          expect(ignored).toContain(`!${source}`);
          copy(
            join(ROOT, source),
            join(at, words.at(-1)!, words.length > 2 || words.at(-1) === './' ? source : ''),
          );
        }
      } else if (name === 'RUN' && rest.startsWith('npm ci')) {
        symlinkSync(join(ROOT, 'node_modules'), join(at, 'node_modules'));
      } else if (name === 'RUN' && !rest.startsWith('npm prune')) {
        await promisify(execFile)('sh', ['-c', rest], { cwd: at, env: { ...process.env, PATH: path } });
      }
    }
    expect(execFileSync('ls', [join(at, 'dist/cli/main.js')]).toString()).toContain('main.js');
  });

  it('has all that the command needs, and nothing of the sources', () => {
    const at = join(directory, 'image');
    for (const { name, rest } of image) {
      if (name === 'COPY') {
        const [, stage, from = '', to = ''] = /^(?:--from=(\w+)\s+)?(\S+)\s+(\S+)$/.exec(rest) ?? [];
        if (stage === undefined) expect(ignored).toContain(`!${from}`);
        copy(
          stage === undefined ? join(ROOT, from) : join(directory, stage, from.replace('/app/', '')),
          join(at, to),
        );
      }
      if (name === 'ENV') {
        for (const pair of rest.trim().split(/\s+/)) {
          const [variable = '', value = ''] = pair.split('=');
          env[variable] = value;
        }
      }
      if (name === 'ENTRYPOINT') entrypoint = JSON.parse(rest) as string[];
      if (name === 'CMD') command = JSON.parse(rest) as string[];
      if (name === 'HEALTHCHECK') health = JSON.parse(rest.slice(rest.indexOf('['))) as string[];
    }
    const run = (...args: string[]) =>
      execFileSync(entrypoint[0]!, [...entrypoint.slice(1), ...args], {
        cwd: at,
        env: { ...env, PATH: path },
      }).toString();
    expect(run('--version')).toMatch(/^\d+\.\d+\.\d+/);
    expect(JSON.parse(run('--version', '--json'))).toMatchObject({ node: expect.stringMatching(/^v?24\./) });
    expect(run('serve', '--help')).toContain('--workers');
    expect(() => execFileSync('ls', [join(at, 'src')], { stdio: 'ignore' })).toThrow();
  });

  it('serves, by its own command and variables, and its health check says so', async () => {
    const at = join(directory, 'image');
    const variables = {
      ...env,
      PATH: path,
      CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
      // What an operator would say otherwise: free ports, and a directory that this user may write to.
      CARELINK_PORT: '0',
      CARELINK_ADMIN_PORT: '0',
      CARELINK_DATA_DIR: join(directory, 'data'),
      CARELINK_JSON: 'true',
    };
    const server = spawn(entrypoint[0]!, [...entrypoint.slice(1), ...command], {
      cwd: at,
      env: variables,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(server, 'exit');
    try {
      const [line] = (await Promise.race([
        once(createInterface({ input: server.stdout }), 'line'),
        exited.then(([code]) => Promise.reject(new Error(`it ended with ${String(code)}`))),
      ])) as [string];
      const { admin_url, url } = JSON.parse(line) as { admin_url: string; url: string };
      expect(url).toContain('//0.0.0.0:');
      const check = (port: string) =>
        promisify(execFile)(health[0]!, health.slice(1), {
          env: { ...variables, CARELINK_ADMIN_PORT: port },
        });
      await check(new URL(admin_url).port);
      await expect(check('1')).rejects.toThrow();
    } finally {
      server.kill('SIGTERM');
    }
    expect(await exited).toEqual([0, null]);
  });
});
