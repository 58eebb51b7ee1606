/** Which room may import which is held by eslint.config.mjs, line by line; a circle takes more than one line to see. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);

type Imports = ReadonlyMap<string, readonly string[]>;

/** What each TypeScript file below a directory imports of our own, types included: they tie files as values do. */
function importsBelow(directory: string): Imports {
  const names = readdirSync(new URL(`${directory}/`, ROOT), { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.ts')).map((name) => `${directory}/${name}`);
  return new Map(files.map((file) => [file, importsOf(file)]));
}

function importsOf(file: string): readonly string[] {
  const here = new URL(file, ROOT);
  return ts
    .preProcessFile(readFileSync(here, 'utf8'))
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => new URL(name.replace(/\.js$/, '.ts'), here))
    .filter((url) => existsSync(url))
    .map((url) => fileURLToPath(url).slice(fileURLToPath(ROOT).length));
}

/** Every circle that a walk from file to file comes upon, as the path around it. */
function circles(imports: Imports): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const met = path.indexOf(file);
    if (met >= 0) found.push([...path.slice(met), file].join(' -> '));
    if (met >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return found;
}

it.each(['src', 'test', 'benchmarks'])('no files below %s import each other in a circle', (directory) => {
  const imports = importsBelow(directory);
  // Had it read nothing it would have found nothing.
  expect([...imports.values()].flat().length).toBeGreaterThan(imports.size / 2);
  expect(circles(imports)).toEqual([]);
});
