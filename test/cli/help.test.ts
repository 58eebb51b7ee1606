/** What the help looks like, and what it costs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { services } from '../support/services.js';
import { BIN, cleanEnvironment } from '../support/server.js';
import { inTerminal } from '../support/terminal.js';
import { run } from './run.js';

/** The headings of a help, each with the options below it, in their order. */
function groupsOf(help: string): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  let heading = '';
  for (const line of help.split('\n')) {
    const [, title] = /^([A-Z][^:]*):$/.exec(line) ?? [];
    if (title !== undefined && title !== 'Arguments') groups.set((heading = title), []);
    const [, flag] = /^ {2}(?:-h, )?--([a-z0-9-]+)/.exec(line) ?? [];
    if (flag !== undefined) groups.get(heading)?.push(flag);
  }
  return groups;
}

describe('the help', () => {
  it.each(COMMANDS.map((text) => [text.name, text] as const))(
    'of %s shows what most people need first, and each option once, under a heading',
    async (name, { table, first }) => {
      const groups = groupsOf((await run([name, '--help'])).stdout);
      const flags = Object.keys(table).filter((flag) => table[flag]!.form !== 'secret');
      expect(first.length).toBeLessThanOrEqual(5);
      if (flags.length > 0) expect([...groups][0]).toEqual(['Most used', first]);
      expect([...groups.values()].flat().sort()).toEqual([...flags, 'help'].sort());
      expect(groups.has('Options')).toBe(false);
      for (const [heading, shown] of groups) expect([heading, shown.length < 16]).toEqual([heading, true]);
    },
  );

  it('of the program has the commands in groups', async () => {
    const { stdout } = await run(['--help']);
    for (const group of new Set(COMMANDS.map((text) => text.group)))
      expect(stdout).toContain(`\n${group}:\n`);
    for (const { name } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  // 44: half of a screen, or a telephone.
  it.skipIf(services().bash === undefined).each([44, 80, 132, 400])(
    'is no wider than a terminal of %d columns, nor than can be read',
    (columns) => {
      for (const name of ['serve', 'bench', '--help']) {
        const [screen = ''] = inTerminal(
          [process.execPath, BIN, name, '--help'],
          cleanEnvironment({ TERM: 'xterm' }),
          [{ send: '', until: name === '--help' ? 'of a\\s+command\\.' : 'kept\\s+and\\s+reported' }],
          columns,
        );
        const lines = screen.replace(/Examples:[^]*?\r\n\r\n/, '').split('\r\n');
        // What can't be broken is a word, such as a URL, and an option with its value.
        const tooLong = lines.filter(
          (line) => line.length > Math.min(columns, 120) && /\S \S/.test(line.replace(/^ *--\S+ /, '')),
        );
        expect([name, tooLong]).toEqual([name, []]);
        if (columns === 400) expect(Math.max(...lines.map(({ length }) => length))).toBeGreaterThan(100);
      }
    },
  );

  it('loads nothing that it does not need: no package but the one that reads the command line', () => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-loaded-'));
    try {
      for (const args of [['--help'], ['serve', '--help'], ['--version'], ['completion', 'zsh'], ['serv']]) {
        const list = join(directory, args.join('-'));
        spawnSync(process.execPath, ['--import', './test/support/loaded-modules.mjs', BIN, ...args], {
          env: cleanEnvironment({ LOADED_MODULES: list }),
        });
        const loaded = readFileSync(list, 'utf8').split('\n');
        const packages = loaded.flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
        expect([args, ...new Set(packages)]).toEqual([args, 'commander']);
        const rooms = loaded.flatMap((url) => /^src\/([a-z]+)\//.exec(url)?.[1] ?? []);
        expect(rooms).toContain('cli');
        expect(rooms).not.toContain('compose');
        expect(rooms).not.toContain('rotation');
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('--version --json', () => {
  it('tells what a bug report needs, and nothing of a database', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const args of [
      ['--version', '--json'],
      ['--json', '--version'],
    ]) {
      const { code, stdout, stderr } = await run(args);
      expect([code, stderr]).toEqual([0, '']);
      const facts = JSON.parse(stdout) as Record<string, string>;
      expect(facts).toMatchObject({
        version,
        node: process.versions.node,
        openssl: process.versions.openssl,
        pg: expect.stringMatching(/^8\./),
        migrations_head: expect.stringMatching(/^\d{4}_\w+$/),
        platform: `${process.platform} ${process.arch}`,
      });
      if (facts['commit'] !== undefined) expect(facts['commit']).toMatch(/^[0-9a-f]{40}(-dirty)?$/);
    }
  });

  it('--json without it belongs behind a command', async () => {
    const { code, stderr } = await run(['--json', 'doctor']);
    expect(code).toBe(2);
    expect(stderr).toContain("unknown option '--json'");
  });
});
