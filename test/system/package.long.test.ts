/** The tarball, installed into an empty folder on each Node that is supported: what a stranger gets. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { endWithUs } from '../support/end-with-us.js';
import { writeTypedProgram } from '../support/typed-program.js';

const RUNTIMES = ['20.19', '22', '24', '26'];

let directory: string;
let tarball: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'carelink-package-'));
  const told = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory], {
    encoding: 'utf8',
  });
  tarball = join(directory, (JSON.parse(told) as [{ filename: string }])[0].filename);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** npm itself, run by a Node of our choice. */
const NPM = realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());

describe.each(RUNTIMES)('on Node %s', (version) => {
  let node: string;
  let folder: string;
  let env: Record<string, string>;
  const installed = (): string => join(folder, 'node_modules/carelink-tokens');
  const runNode = (args: readonly string[]) =>
    spawnSync(node, args, { cwd: folder, env, encoding: 'utf8', maxBuffer: 16_000_000 });
  const command = (...args: string[]) =>
    spawnSync(join(folder, 'node_modules/.bin/carelink-tokens'), args, {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
  // It may need this machine's own way to the registry.
  const npm = (args: readonly string[]) =>
    spawnSync(node, [NPM, ...args], {
      cwd: folder,
      env: { ...process.env, PATH: env['PATH'] },
      encoding: 'utf8',
      timeout: 240_000,
    });
  const install = (...more: string[]) => {
    const options = ['--engine-strict', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    const { status, stderr } = npm(['install', ...options, ...more]);
    expect([status, stderr.replace(/^npm notice.*\n/gm, '')]).toEqual([0, '']);
  };

  beforeAll(() => {
    const told = execFileSync(process.execPath, ['scripts/node-runtimes.mjs', version], { encoding: 'utf8' });
    node = told.trim();
    folder = join(directory, version);
    mkdirSync(folder);
    // Nothing of this machine but the system's programs.
    env = { PATH: `${dirname(node)}:/usr/bin:/bin`, HOME: process.env['HOME'] ?? folder };
    writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
    install(tarball);
  });

  it('the command tells its version, and the help of each command', () => {
    const runtime = runNode(['--version']).stdout.trim().slice(1);
    expect(runtime.startsWith(version)).toBe(true);
    const facts = JSON.parse(command('--version', '--json').stdout) as Record<string, string>;
    expect(facts['node']).toBe(runtime);
    expect(facts['migrations_head']).toMatch(/^\d{4}_/);
    for (const { name } of COMMANDS) {
      const { status, stdout, stderr } = command(name, '--help');
      expect([name, status, stderr]).toEqual([name, 0, '']);
      expect(stdout).toContain(`Usage: carelink-tokens ${name}`);
    }
  });

  it('the entries of the library can be imported, and the worker is a script that parses', () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { Script } from 'node:vm';
      import { serve, migrate, cleanup, bench } from 'carelink-tokens';
      import { TokenManager } from 'carelink-tokens/client';
      import * as idle from 'carelink-tokens/client/idle';
      import * as worker from 'carelink-tokens/client/worker';
      import manifest from 'carelink-tokens/package.json' with { type: 'json' };
      new Script(readFileSync(new URL(import.meta.resolve('carelink-tokens/service-worker')), 'utf8'));
      console.log(JSON.stringify([
        ...[serve, migrate, cleanup, bench, TokenManager].map((one) => typeof one),
        Object.keys(idle).length > 0, Object.keys(worker).length > 0, manifest.name,
      ]));`;
    writeFileSync(join(folder, 'program.mjs'), program);
    const { status, stdout, stderr } = runNode(['--no-warnings', 'program.mjs']);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual([...Array<string>(5).fill('function'), true, true, 'carelink-tokens']);
  });

  it('serves from nothing: an embedded database, and a token that is refreshed', async () => {
    const server = endWithUs(
      spawn(
        join(folder, 'node_modules/.bin/carelink-tokens'),
        ['serve', '--json', '--port', '0', '--admin-port', '0', '--data-dir', join(folder, 'data')],
        { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] },
      ),
    );
    const ended = new Promise((resolve) => server.once('exit', resolve));
    try {
      const listening = await new Promise<Record<string, string>>((resolve, reject) => {
        createInterface({ input: server.stdout }).once('line', (line) =>
          resolve(JSON.parse(line) as Record<string, string>),
        );
        void ended.then(() => reject(new Error('it ended')));
      });
      const url = `${listening['url']}${listening['base_path']}/refresh/`;
      const body = JSON.stringify({ refresh: listening['sample_refresh'] });
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(answer.status).toBe(200);
      expect(Object.keys((await answer.json()) as object).sort()).toEqual(['access', 'refresh']);
      const again = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(again.status).toBe(401);
    } finally {
      server.kill('SIGTERM');
    }
    expect(await ended).toBe(0);
  });

  it('its types hold with the library checks on, beside the types of this Node', () => {
    install('--save-dev', `@types/node@${version.split('.')[0]!}`, 'typescript@~5.9.3');
    writeTypedProgram(folder);
    const { status, stdout } = runNode(['node_modules/typescript/bin/tsc', '-p', '.']);
    expect([status, stdout]).toEqual([0, '']);
  });

  // Once: it is the same for all.
  if (version === '24')
    it('installed for the machine, it brings its manual', () => {
      const prefix = join(directory, 'global');
      const options = ['--global', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund'];
      expect(npm(['install', ...options, '--prefer-offline', tarball]).status).toBe(0);
      const pages = readdirSync(join(prefix, 'share/man/man1')).sort();
      expect(pages).toEqual(readdirSync(join(installed(), 'dist/man')).sort());
      expect(
        spawnSync(join(prefix, 'bin/carelink-tokens'), ['--version'], { env, encoding: 'utf8' }).status,
      ).toBe(0);
    });

  // The unit starts what the guide installs.
  if (version === '24')
    it('as docs/debian.md installs it, it is where deploy/systemd looks for it', () => {
      const machine = join(directory, 'machine');
      mkdirSync(join(machine, 'usr/local/bin'), { recursive: true });
      const guide = readFileSync('docs/debian.md', 'utf8');
      const [, commands = ''] = /^## 3\. The program\n+```sh\n([^]*?)```/m.exec(guide) ?? [];
      expect(commands).toContain('npm install --omit=dev --prefix /opt/');
      const script = commands
        .replaceAll(/(?<![\w/])\/(opt|usr)\//g, `${machine}/$1/`)
        .replace(/carelink-tokens@[\d.]+$/m, tarball)
        .replaceAll('npm install', `'${node}' '${NPM}' install --ignore-scripts --prefer-offline`);
      const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], {
        env: { ...process.env, PATH: `${machine}/usr/local/bin:${env['PATH']!}` },
        encoding: 'utf8',
        timeout: 240_000,
      });
      expect([status, stderr.replace(/^npm notice.*\n/gm, '')]).toEqual([0, '']);
      expect(stdout).toMatch(/^\d+\.\d+\.\d+$/m);
      const unit = readFileSync('deploy/systemd/carelink-tokens.service', 'utf8');
      const [, program = ''] = /^ExecStart=(\S+)/m.exec(unit) ?? [];
      expect(spawnSync(join(machine, program), ['--version'], { env, encoding: 'utf8' }).status).toBe(0);
    });
});
