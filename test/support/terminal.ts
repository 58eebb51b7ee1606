import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PTY = fileURLToPath(new URL('play-terminal.py', import.meta.url));

export interface Step {
  /** As it is typed: `\t` is the tabulator, `\u0003` Ctrl-C. */
  readonly send: string;
  /** A pattern, as Python writes it, that is waited for. */
  readonly until: string;
}

/** What a program wrote at each step, in a terminal of its own. Throws, with the screen, where a text did not come. */
export function inTerminal(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  steps: readonly Step[],
  columns = 100,
): readonly string[] {
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', [PTY], {
    input: JSON.stringify({ argv, env, steps, columns }),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`what was waited for did not come:\n${stdout}\n${stderr}`);
  return JSON.parse(stdout) as string[];
}
