import { appendFileSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export async function load(url, context, next) {
  appendFileSync(process.env.LOADED_MODULES, `${[url, ...sourcesOf(url)].join('\n')}\n`);
  return next(url, context);
}

/** What a file of the build is made of: the bundler names each source above what came of it. */
function sourcesOf(url) {
  if (!url.includes('/dist/') || url.includes('/node_modules/')) return [];
  return readFileSync(fileURLToPath(url), 'utf8').match(/(?<=^\/\/ )src\/\S+\.ts$/gm) ?? [];
}
