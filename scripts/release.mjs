// Makes a release in the folder release/VERSION, and a tag. It needs no network, and publishes nothing: it says how.
//   npm run release -- 0.2.0 --dry-run     # everything but the tag
//   npm run release -- 0.2.0
// CONTRIBUTING.md says what to do before.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { faults, releaseNotes } from './release/faults.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean' }, 'allow-missing-links': { type: 'boolean' } },
});
const [version = ''] = positionals;
const run = (program, args, more = {}) =>
  execFileSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 64_000_000, ...more });
const git = (...args) => run('git', args).trim();

const found = faults({ root, version, git, allowMissingLinks: values['allow-missing-links'] === true });
if (found.length > 0) {
  console.error(`This can't be released as ${version || 'a version'}. Nothing was changed.`);
  for (const fault of found) console.error(`- ${fault}`);
  process.exit(1);
}

// The same commit makes the same files, to the byte.
const env = { ...process.env, SOURCE_DATE_EPOCH: git('log', '-1', '--format=%ct') };
const folder = `${root}release/${version}`;
const making = `${folder}.${process.pid}`;
rmSync(making, { recursive: true, force: true });
mkdirSync(making, { recursive: true });

run('npm', ['run', '--silent', 'build', '--', '--types'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', making], { env });
// The browser client's own package, out of the same build.
const client = `${making}/client`;
run(process.execPath, ['scripts/client-package.mjs', client], { env });
run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', making, client], { env });
rmSync(client, { recursive: true });
// As `helm package` does.
const archive = `${making}/carelink-tokens-chart-${version}.tar`;
const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];
const order = ['--sort=name', `--mtime=@${env.SOURCE_DATE_EPOCH}`, '--format=ustar'];
run('tar', [...order, ...owner, '-cf', archive, '-C', 'deploy/helm', 'carelink-tokens']);
run('gzip', ['--no-name', '--best', archive]);
renameSync(`${archive}.gz`, archive.replace(/tar$/, 'tgz'));
writeFileSync(`${making}/carelink-tokens-${version}.cdx.json`, billOfMaterials());
writeFileSync(`${making}/NOTES.md`, `${releaseNotes(root, version)}\n`);
const sums = readdirSync(making)
  .sort()
  .map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(`${making}/${name}`))
        .digest('hex')}  ${name}\n`,
  );
writeFileSync(`${making}/SHA256SUMS`, sums.join(''));
rmSync(folder, { recursive: true, force: true });
renameSync(making, folder);

console.log(`release/${version}:\n${sums.join('')}`);
if (values['dry-run'] !== true)
  git('tag', '--annotate', `v${version}`, '--message', `carelink-tokens ${version}`);
const tagged = values['dry-run'] === true ? 'No tag was made (--dry-run).' : `Tagged v${version}.`;
console.log(`${tagged} Nothing was published. To publish it:

  git push origin main v${version}
  npm publish release/${version}/carelink-tokens-${version}.tgz
  npm publish release/${version}/carelink-tokens-client-${version}.tgz
  docker build -f deploy/Dockerfile --build-arg SOURCE_COMMIT=${git('rev-parse', 'HEAD')} -t REGISTRY/carelink-tokens:${version} .
  docker push REGISTRY/carelink-tokens:${version}
  helm push release/${version}/carelink-tokens-chart-${version}.tgz oci://REGISTRY/charts

Then put NOTES.md and the files into the release page of the repository.`);

/** npm draws a number and takes the time for each bill; these would make each one another. */
function billOfMaterials() {
  const bill = JSON.parse(run('npm', ['run', '--silent', 'sbom']));
  delete bill.serialNumber;
  bill.metadata.timestamp = new Date(Number(env.SOURCE_DATE_EPOCH) * 1_000).toISOString();
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}
