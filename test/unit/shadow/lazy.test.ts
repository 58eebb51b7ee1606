/** Nobody who doesn't ask for a shadow loads anything of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const SRC = new URL('../../../src/', import.meta.url);

it('is imported by what is imported only then', () => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('shadow/'),
  );
  const importing = (pattern: RegExp) =>
    files.filter((name) => pattern.test(readFileSync(new URL(name, SRC), 'utf8'))).sort();
  expect(importing(/^import (?!type).*from '.*\/shadow\//m)).toEqual(['compose/shadow.ts']);
  expect(importing(/from '.*\/(?:shadow|shadow-ports|horizons)\.js'/)).toEqual(['compose/shadow.ts']);
  expect(importing(/await import\('\.\/shadow\.js'\)/)).toEqual(['compose/start-serving.ts']);
});
