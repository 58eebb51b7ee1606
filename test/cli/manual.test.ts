/** The manual that the build writes is held to the tables that the command line is made of. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { manualPages } from '../../src/cli/manual.js';
import { variableOf } from '../../src/config/option.js';
import { services } from '../support/services.js';

const BUILT = 'dist/man';
const { mandoc } = services();

/** As a reader sees it, on one line. */
function rendered(page: string): string {
  const { stdout, stderr } = spawnSync(mandoc!, ['-T', 'ascii', '-O', 'width=1000', page], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.replace(/.\x08/g, '').replace(/\s+/g, ' ');
}

describe('the manual', () => {
  it('is what the build wrote: a page for each command, named in package.json', () => {
    const { man } = JSON.parse(readFileSync('package.json', 'utf8')) as { man: string[] };
    const names = readdirSync(BUILT).sort();
    expect(names).toEqual(
      ['carelink-tokens.1', ...COMMANDS.map(({ name }) => `carelink-tokens-${name}.1`)].sort(),
    );
    expect([...man].sort()).toEqual(names.map((name) => `./${BUILT}/${name}`));
    for (const [name, text] of manualPages(COMMANDS, { date: new Date() })) {
      const undated = (page: string) => page.replace(/^\.Dd .*/, '');
      expect(undated(readFileSync(join(BUILT, name), 'utf8'))).toBe(undated(text));
    }
  });

  it.skipIf(mandoc === undefined)('is clean to mandoc, references between the pages included', () => {
    const names = readdirSync(BUILT);
    const { stdout, stderr } = spawnSync(mandoc!, ['-Tlint', ...names.map((name) => join(BUILT, name))], {
      encoding: 'utf8',
    });
    // mandoc looks for them where they are not installed yet.
    const isOurs = (line: string): boolean => {
      const [, name] = /referenced manual not found: Xr (\S+) 1\b/.exec(line) ?? [];
      return name !== undefined && names.includes(`${name}.1`);
    };
    const found = stdout.split('\n').filter((line) => line !== '' && !isOurs(line));
    expect([found, stderr]).toEqual([[], '']);
  });

  it.skipIf(mandoc === undefined).each(COMMANDS.map((text) => [text.name, text] as const))(
    'tells all of %s: each option, its default, its variables, and how it ends',
    (name, { table, examples }) => {
      const page = rendered(join(BUILT, `carelink-tokens-${name}.1`));
      for (const [flag, { form, defaultText, typed, customary }] of Object.entries(table)) {
        if (form === 'secret') {
          expect(page).toContain(variableOf(flag));
          expect(page).not.toContain(`--${flag} `);
          continue;
        }
        expect(page).toContain(` --${flag} `);
        if (defaultText !== undefined) expect(page).toContain(`Default: ${defaultText}`);
        if (!typed) expect(page).toContain(`Environment: ${[variableOf(flag), ...customary].join(', ')}.`);
      }
      expect(page).toContain('5 another runner holds the lock.');
      const shown = page.replaceAll(' \\ ', ' ');
      for (const example of examples) expect(shown).toContain(example.replace(/ +# .*/, ''));
    },
  );
});
