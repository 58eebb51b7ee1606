import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Makes a script of a file that takes from src/, to be run by itself; returns its path. */
export async function bundled(file: string): Promise<string> {
  const to = `${root}dist/benchmarks/${basename(file).replace(/\.\w+$/, '')}.js`;
  await build({
    cwd: root,
    input: `./${file}`,
    platform: 'node',
    external: /^[^./]/,
    logLevel: 'warn',
    output: { file: to, format: 'esm' },
  });
  return to;
}
