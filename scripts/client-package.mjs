// Makes the folder of the browser client's own npm package from what the build left in dist/client:
//   node scripts/client-package.mjs [folder]       dist/client-package if not given
// It has the entries that the main package has under ./client, and no other file than they need.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = process.argv[2] ?? join(root, 'dist/client-package');
const built = `${root}dist/client/`;
const {
  version,
  license,
  repository,
  homepage,
  bugs,
  exports: all,
} = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

rmSync(folder, { recursive: true, force: true });
const write = (file, text) => {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
};

/** A module's types and those that they lead to. The build makes some for each file, and most are for no entry. */
function writeTypes(file, written = new Set()) {
  if (written.has(file)) return;
  written.add(file);
  const text = readFileSync(`${built}${file}`, 'utf8');
  write(`dist/${file}`, text);
  for (const [, target] of text.matchAll(/\bfrom '(\.[^']+)\.js'/g))
    writeTypes(posix.join(posix.dirname(file), `${target}.d.ts`), written);
}

/** `./client/axios` of the main package is `./axios` here. */
const entries = {};
for (const [name, { types, default: file }] of Object.entries(all)) {
  const [, stem] = /^\.\/dist\/client\/(.+)\.js$/.exec(file) ?? [];
  if (stem === undefined) continue;
  writeTypes(`${stem}.d.ts`);
  // Where a server offers the file, the map's name would be 35 bytes for each who loads it. Here a bundler takes it out again.
  const script = readFileSync(`${built}${stem}.js`, 'utf8');
  write(`dist/${stem}.js`, `${script}\n//# sourceMappingURL=${posix.basename(stem)}.js.map\n`);
  write(`dist/${stem}.js.map`, readFileSync(`${built}${stem}.js.map`));
  entries[name.replace(/^\.\/client(?=\/|$)/, '.')] = {
    types: types.replace('/client', ''),
    default: file.replace('/client', ''),
  };
}
cpSync(`${root}src/client/README.md`, join(folder, 'README.md'));
cpSync(`${root}LICENSE`, join(folder, 'LICENSE'));

const manifest = {
  name: '@carelink-tokens/client',
  version,
  description:
    'One token refresh for all requests and tabs of a browser: for Django + simplejwt and carelink-tokens.',
  keywords: ['jwt', 'refresh-token', 'django', 'simplejwt', 'token-rotation', 'axios', 'ky', 'react'],
  license,
  // JSON leaves out what the main package does not have yet.
  repository,
  homepage,
  bugs,
  type: 'module',
  sideEffects: ['./dist/service-worker.js'],
  exports: { ...entries, './package.json': './package.json' },
  publishConfig: { access: 'public' },
};
write('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
