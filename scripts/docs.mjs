// Writes what follows from tables of the code: pages of docs/reference, and the schema of the chart's values. `npm run docs`.
// With --check it writes nothing and ends with 1 if a file is not what the code says. It reads dist/, so build first.
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { chartSchema } from './docs/chart-schema.mjs';
import { configurationPage } from './docs/configuration.mjs';
import { metricsPage } from './docs/metrics.mjs';

const PAGES = {
  'docs/reference/configuration.md': configurationPage,
  'docs/reference/metrics.md': metricsPage,
  'deploy/helm/carelink-tokens/values.schema.json': chartSchema,
};

const check = process.argv.includes('--check');
const stale = [];
for (const [page, make] of Object.entries(PAGES)) {
  const file = new URL(`../${page}`, import.meta.url);
  const text = await format(await make(), { ...(await resolveConfig(file)), filepath: page });
  if (read(file) === text) continue;
  if (check) stale.push(page);
  else writeFileSync(file, text);
}
if (stale.length > 0) {
  console.error(`${stale.join(', ')}: not what the code says. Run \`npm run docs\`.`);
  process.exitCode = 1;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
