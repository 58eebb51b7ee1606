// Builds dist/ afresh: the program in a few files, for hundreds are slow to load, plus what is shipped as it is. With --types
// the declarations of what can be imported, too; only a package needs them, and TypeScript takes longer than all the rest.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { drawn, shorten } from './shorten.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

// It takes some seconds, before which nothing else is to be seen.
process.stderr.write('building ...\n');
rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });

/** What is imported, forked or started by its path. Whatever these share is in dist/parts. */
const ENTRIES = [
  'index',
  'cli/main',
  'bench/null-server',
  'bench/report-page',
  'compose/end-with-parent',
  'store/embedded-worker',
  // By tests only: an embedded database starts in a worker thread, which takes a built file.
  'compose/start-serving',
  'store/data-directory',
  'store/embedded',
];

/** Bundles our own modules; packages stay where they are. */
async function bundle(entries, dir) {
  await build({
    cwd: root,
    input: Object.fromEntries(entries.map((name) => [name, `./src/${name}.ts`])),
    platform: 'node',
    external: /^[^./]/,
    logLevel: 'warn',
    // Nobody is to depend on what an entry has beside its own exports.
    preserveEntrySignatures: 'strict',
    output: {
      dir,
      format: 'esm',
      sourcemap: true,
      entryFileNames: '[name].js',
      // One folder below dist, as each room's files are below src: so a path of `import.meta.url` holds in both.
      chunkFileNames: ({ facadeModuleId, moduleIds }) =>
        `parts/${partName(facadeModuleId ?? moduleIds.at(-1))}.js`,
    },
  });
}

/** As it is read in a stack: the room and the file that a part leads to. The bundler's own helpers have neither. */
function partName(moduleId) {
  if (moduleId.startsWith('\0')) return 'runtime';
  return relative(`${root}src`, moduleId).replace(/\.ts$/, '').replaceAll(sep, '-');
}

await bundle(ENTRIES, `${root}dist`);

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
const write = async (file, input, format, names) => {
  const { code, map } = await shorten(`${input}.ts`, format, names);
  const to = `${root}dist/client/${file}.js`;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, code);
  writeFileSync(`${to}.map`, map);
};
for (const name of ['token-manager', 'idle', 'worker']) await write(name, name, 'esm');
await write('service-worker', 'worker/service-worker', 'iife');
// Small as they are.
for (const name of ['axios', 'debug', 'get-token', 'ky', 'react', 'storage'])
  await write(`adapters/${name}`, `adapters/${name}`, 'esm', { ...drawn, properties: {} });

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

if (process.argv.includes('--types')) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  for (const project of ['tsconfig.types.json', 'src/client/tsconfig.json'])
    execFileSync(process.execPath, [tsc, '--noCheck', '-p', project], { cwd: root, stdio: 'inherit' });
  writeFileSync(`${root}dist/client/service-worker.d.ts`, 'export {};\n');
}

// The manual, from the same tables as the help. SOURCE_DATE_EPOCH makes a build that is repeated the same to the byte.
// What documents are made of is in a folder of its own, which no package has.
await bundle(['documented'], `${root}dist/documented`);
const { COMMANDS, manualPages } = await import('../dist/documented/documented.js');
const epoch = process.env.SOURCE_DATE_EPOCH;
const date = epoch === undefined ? new Date() : new Date(Number(epoch) * 1_000);
mkdirSync(`${root}dist/man`);
for (const [name, text] of manualPages(COMMANDS, { date })) writeFileSync(`${root}dist/man/${name}`, text);
