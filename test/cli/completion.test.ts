/** Completion in the shells themselves: what they offer is held to the tables that the command line is made of. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { SHELLS, type Shell } from '../../src/config/vocabulary.js';
import { services } from '../support/services.js';
import { inTerminal } from '../support/terminal.js';
import { run } from './run.js';

const found = services();

let home: string;
const scriptOf = (shell: Shell): string => join(home, `carelink-tokens.${shell}`);

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'carelink-shell-'));
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await run(['completion', shell]);
    expect([code, stderr]).toEqual([0, '']);
    writeFileSync(scriptOf(shell), stdout);
  }
  writeFileSync(join(home, 'notes.env'), '');
  writeFileSync(join(home, '.bashrc'), `PS1='READY> '; source ${scriptOf('bash')}\n`);
  const zsh = `autoload -U compinit; compinit -u -D; PS1='READY> '; source ${scriptOf('zsh')}\n`;
  writeFileSync(join(home, '.zshrc'), zsh);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** What is typed by flag and what by word, of each command. */
const flagsOf = (name: string): string[] => {
  const { table = {} } = COMMANDS.find((one) => one.name === name) ?? {};
  const flags = Object.entries(table).filter(([, { form }]) => form !== 'secret');
  return [...flags.map(([flag]) => `--${flag}`), '--help'].sort();
};
const NAMES = COMMANDS.map(({ name }) => name);
const CHOICES = COMMANDS.flatMap(({ name, table }) =>
  Object.entries(table).flatMap(([flag, { suggests }]) =>
    typeof suggests === 'string' || suggests.length === 0 ? [] : [{ name, flag, suggests }],
  ),
);

/** Asks a shell, not in a terminal, what it offers at the end of each line. */
type Ask = (lines: readonly string[]) => readonly (readonly string[])[];

const askBash: Ask = (lines) => {
  const asks = lines.map(
    (line) => `COMP_WORDS=(${line}); ${line.endsWith(' ') ? "COMP_WORDS+=('');" : ''}
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _carelink_tokens; echo "\${COMPREPLY[*]}"`,
  );
  const { stdout } = spawnSync(found.bash!, ['--norc', '-c', [`. ${scriptOf('bash')}`, ...asks].join('\n')], {
    encoding: 'utf8',
    cwd: home,
  });
  return stdout.split('\n').map((told) => told.split(' ').filter(Boolean));
};

const askFish: Ask = (lines) => {
  const asks = lines.map((line) => `echo (complete -C '${line}' | string split -f1 \\t)`);
  const { stdout } = spawnSync(found.fish!, ['-N', '-c', [`. ${scriptOf('fish')}`, ...asks].join('\n')], {
    encoding: 'utf8',
    cwd: home,
    env: { HOME: home, PATH: '/usr/bin:/bin' },
  });
  return stdout.split('\n').map((told) => told.split(' ').filter(Boolean));
};

describe.each([
  ['bash', askBash],
  ['fish', askFish],
] as const)('%s offers', (shell, ask) => {
  it.skipIf(found[shell] === undefined)('each option of each command, and no secret', () => {
    const offered = ask(NAMES.map((name) => `carelink-tokens ${name} --`));
    for (const [at, name] of NAMES.entries())
      expect([name, ...[...offered[at]!].sort()]).toEqual([name, ...flagsOf(name)]);
  });

  it.skipIf(found[shell] === undefined)('the values of each option that has a few', () => {
    expect(CHOICES.length).toBeGreaterThan(40);
    const offered = ask(CHOICES.map(({ name, flag }) => `carelink-tokens ${name} --${flag} `));
    for (const [at, { name, flag, suggests }] of CHOICES.entries())
      expect([name, flag, ...[...offered[at]!].sort()]).toEqual([name, flag, ...[...suggests].sort()]);
  });

  it.skipIf(found[shell] === undefined)(
    'commands, actions and files where they belong, and else nothing',
    () => {
      const [commands, actions, afterFile, port, helped] = ask([
        'carelink-tokens ',
        'carelink-tokens migrate ',
        'carelink-tokens serve --env-file n',
        'carelink-tokens serve --port ',
        'carelink-tokens help rev',
      ]);
      expect([...commands!].sort()).toEqual([...NAMES, 'help'].sort());
      expect([...actions!].sort()).toEqual(['down', 'grants', 'plan', 'repair', 'status', 'up']);
      expect(afterFile).toEqual(['notes.env']);
      expect(port).toEqual([]);
      expect(helped).toEqual(['revoke']);
    },
  );
});

const STARTED: Readonly<Record<Shell, () => readonly string[]>> = {
  bash: () => [found.bash!, '--rcfile', join(home, '.bashrc'), '-i'],
  zsh: () => [found.zsh!, '-i'],
  fish: () => [
    found.fish!,
    '-N',
    '-i',
    '-C',
    `function fish_prompt; echo -n 'READY> '; end; set -g fish_autosuggestion_enabled 0; source ${scriptOf('fish')}`,
  ],
};

describe.each(SHELLS)('in a terminal, the tabulator of %s', (shell) => {
  const typed = (...steps: (readonly [send: string, until: string])[]) =>
    inTerminal(
      STARTED[shell](),
      { PATH: '/usr/bin:/bin', HOME: home, ZDOTDIR: home, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
      [{ send: '', until: 'READY> ' }, ...steps.map(([send, until]) => ({ send, until }))],
    );

  // Each waits for what the shell alone can have written: no more was typed.
  it.skipIf(found[shell] === undefined)('writes out a command, its action, an option and its value', () => {
    typed(
      ['carelink-tokens migr\t', 'migrate ?'],
      ['sta\t', 'tus ?'],
      ['--log-lev\t', 'el[ =]'],
      ['sil\t', 'ent ?'],
    );
  });

  it.skipIf(found[shell] === undefined)(
    'writes out the name of a file behind an option that takes one',
    () => {
      typed([`cd ${home}\n`, 'READY> '], ['carelink-tokens serve --env-file not\t', 'notes\\.env']);
    },
  );
});

it('a shell that there is no completion for ends with 2, and says which there are', async () => {
  for (const args of [['completion', 'tcsh'], ['completion']]) {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      args.length === 1 ? /missing required argument 'shell'/ : /one of bash, zsh, fish/,
    );
  }
});
