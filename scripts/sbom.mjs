// Prints a bill of materials in CycloneDX: all packages that carelink-tokens runs with, as the lock file has them.
//   npm run --silent sbom > carelink-tokens.cdx.json
// `npm sbom --omit dev` alone leaves out what both the program and its tests use (npm 11: lru-cache, cli-table3 and others).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const format = ['--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
const whole = JSON.parse(
  execFileSync('npm', ['sbom', ...format], { cwd: root, encoding: 'utf8', maxBuffer: 64_000_000 }),
);

const { name, version, packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'));
const wanted = new Set(
  Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, entry]) => `${entry.name ?? path.replace(/^.*node_modules\//, '')}@${entry.version}`),
);
wanted.add(`${name}@${version}`);

const has = (ref) => wanted.has(ref);
const bill = {
  ...whole,
  components: whole.components.filter((component) => has(component['bom-ref'])),
  dependencies: whole.dependencies
    .filter(({ ref }) => has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(has) })),
};
if (bill.components.length !== wanted.size - 1)
  throw new Error('npm names other packages than the lock file');
process.stdout.write(`${JSON.stringify(bill, undefined, 2)}\n`);
