/** Each command line of a document is one that the command takes: its name, its words and its options. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  // The changelog tells of what is gone, too.
  .filter((name) => name !== '' && name !== 'CHANGELOG.md');

const FLAGS = new Map(COMMANDS.map(({ name, table }) => [name, new Set(Object.keys(table))]));

/** Of bench_tokens, Prometheus and Docker, and of the program itself; one that is misspelt on purpose; the beginning of those that switch off. */
const OTHERS = new Set(['end', 'enable-feature', 'build-arg', 'prot', 'no-', 'version']);

/** What follows the command's name, up to the end of the line or what a shell does with its output. */
const LINE = /(?:\bcarelink-tokens|bin\/carelink-tokens\.js) +(?!chain key)([a-z][a-z-]*)([^\n`|>;&#)]*)/g;

const linesOf = (page: string): RegExpMatchArray[] => {
  const text = readFileSync(join(ROOT, page), 'utf8').replace(/ *\\\n */g, ' ');
  const code = [...text.matchAll(/^ *```[^]*?^ *```|`[^`\n]+`/gm)].map(([block]) => block);
  return code.flatMap((block) => [...block.matchAll(LINE)]);
};

describe('the commands of the documents', () => {
  it('are there, with the options that they are shown with', () => {
    const lines = PAGES.flatMap((page) => linesOf(page).map((line) => [page, line] as const));
    expect(lines.length).toBeGreaterThan(150);
    const faults = lines.flatMap(([page, [whole, name = '', rest = '']]) => {
      const flags = FLAGS.get(name);
      if (flags === undefined) return [`${page}: ${whole.trim()}: no such command`];
      return [...rest.matchAll(/(?:^|\s)--([a-z][a-z0-9-]*)/g)]
        .map(([, flag = '']) => flag)
        .filter(
          (flag) =>
            flag !== 'help' && !flags.has(flag) && !flags.has(flag.replace(/^no-/, '')) && !OTHERS.has(flag),
        )
        .map((flag) => `${page}: ${whole.trim()}: no --${flag}`);
    });
    expect(faults).toEqual([]);
  });

  it('and options named in a sentence are those of some command', () => {
    const known = new Set([...FLAGS.values()].flatMap((flags) => [...flags]));
    const unknown = PAGES.filter((page) => !page.startsWith('docs/decisions/')).flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/`--([a-z][a-z0-9-]*)[^`]*`/g)]
        .map(([, flag = '']) => flag)
        .filter((flag) => !known.has(flag) && !known.has(flag.replace(/^no-/, '')) && !OTHERS.has(flag))
        .map((flag) => `${page}: --${flag}`),
    );
    expect(unknown).toEqual([]);
  });

  it('have variables that some command reads', () => {
    const known = new Set(
      COMMANDS.flatMap(({ table }) =>
        Object.keys(table).map((flag) => `CARELINK_${flag.toUpperCase().replaceAll('-', '_')}`),
      ),
    );
    const unknown = PAGES.flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\bCARELINK_[A-Z0-9_]*[A-Z0-9]/g)]
        .map(([name]) => name)
        .filter((name) => !known.has(name) && name !== 'CARELINK_SCHEMA_MISSING')
        .map((name) => `${page}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });
});
