// Node of several versions, from npm: the packages node-<platform>-<arch> hold the binary and run no script. Prints the path
// of each binary that is asked for; without arguments, of all that are supported.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The oldest that is supported, and the releases that get fixes. */
export const RUNTIMES = ['20.19', '22', '24', '26'];

const CACHE = fileURLToPath(new URL('../node_modules/.cache/node-runtimes/', import.meta.url));

/** The path of a binary, which is fetched where it is not there yet. */
export function nodeRuntime(version) {
  const name = `node-${process.platform}-${process.arch}`;
  const home = `${CACHE}${version}`;
  const binary = `${home}/node_modules/${name}/bin/node`;
  if (existsSync(binary)) return binary;
  // In a folder of its own, which takes its name when it is whole: one that was interrupted is no runtime.
  const making = `${home}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--prefix', making];
  execFileSync('npm', ['install', ...options, `${name}@${version}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  rmSync(home, { recursive: true, force: true });
  renameSync(making, home);
  return binary;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const asked = process.argv.slice(2);
  for (const version of asked.length > 0 ? asked : RUNTIMES) console.log(nodeRuntime(version));
}
