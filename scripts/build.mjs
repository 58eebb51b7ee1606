// Builds dist/ afresh: compiled TypeScript plus the files that are shipped as they are.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { drawn, shorten } from './shorten.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

// It takes some seconds, before which nothing else is to be seen. Types are checked by `npm run check`: here that would
// be half of the time.
process.stderr.write('building ...\n');
const emit = (project) =>
  execFileSync(process.execPath, [tsc, '--noCheck', '-p', project], { cwd: root, stdio: 'inherit' });
rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
emit('tsconfig.json');

// What the dashboard's page holds: its script with the plotter in one piece, and the style of both.
for (const name of ['page.html', 'page.css'])
  cpSync(`${root}src/dashboard/${name}`, `${root}dist/dashboard/${name}`);
await build({
  input: `${root}src/dashboard/browser/main.ts`,
  logLevel: 'warn',
  output: { file: `${root}dist/dashboard/browser.js`, format: 'iife', minify: true },
});
// Runs inside Django, as it is.
cpSync(`${root}src/adopt/probe.py`, `${root}dist/adopt/probe.py`);
// The browser's files: a module for pages, one for each of two options of it, and the worker as a classic script, which every browser takes.
emit('src/client/tsconfig.json');
const write = async (file, input, format, names) =>
  writeFileSync(`${root}dist/client/${file}.js`, await shorten(`${input}.ts`, format, names));
for (const name of ['token-manager', 'idle', 'worker']) await write(name, name, 'esm');
await write('service-worker', 'worker/service-worker', 'iife');
// Small as they are.
for (const name of ['axios', 'get-token', 'ky', 'react', 'storage'])
  await write(`adapters/${name}`, `adapters/${name}`, 'esm', { ...drawn, properties: {} });
writeFileSync(new URL('../dist/client/service-worker.d.ts', import.meta.url), 'export {};\n');

for (const name of ['demo.html', 'demo.css', 'demo.js']) {
  cpSync(new URL(`../src/demo/${name}`, import.meta.url), new URL(`../dist/demo/${name}`, import.meta.url));
}

// What it was built from, for `--version --json`. A release built without git names it in SOURCE_COMMIT.
writeFileSync(
  `${root}dist/build.json`,
  `${JSON.stringify({ commit: process.env.SOURCE_COMMIT || commit() })}\n`,
);

function commit() {
  try {
    const describe = ['describe', '--always', '--dirty', '--abbrev=40', '--exclude', '*'];
    return execFileSync('git', describe, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

// The manual, from the same tables as the help. SOURCE_DATE_EPOCH makes a build that is repeated the same to the byte.
const { COMMANDS } = await import('../dist/cli/commands.js');
const { manualPages } = await import('../dist/cli/manual.js');
const epoch = process.env.SOURCE_DATE_EPOCH;
const date = epoch === undefined ? new Date() : new Date(Number(epoch) * 1_000);
mkdirSync(`${root}dist/man`);
for (const [name, text] of manualPages(COMMANDS, { date })) writeFileSync(`${root}dist/man/${name}`, text);
