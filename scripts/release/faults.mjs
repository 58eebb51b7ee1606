import { readFileSync } from 'node:fs';

/** Why a state of the repository can't be released, all reasons at once. */
export function faults({ root, version, git, allowMissingLinks }) {
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))
    return ['Name the version: `npm run release -- 0.2.0`.'];
  return [
    ...stateFaults(version, git),
    ...changelogFaults(root, version),
    ...versionFaults(root, version, git),
    ...(allowMissingLinks ? [] : linkFaults(root)),
  ];
}

function stateFaults(version, git) {
  const branch = git('branch', '--show-current');
  return [
    branch !== 'main' &&
      `You are on ${branch || 'no branch'}. Releases are made of main: \`git switch main\`.`,
    git('status', '--porcelain') !== '' &&
      'There are changes that are not committed. Commit or stash them: `git status`.',
    git('tag', '--list', `v${version}`) !== '' &&
      `The tag v${version} is there already. Choose the next version, or delete the tag if it was never pushed.`,
  ].filter(Boolean);
}

/** What the changelog says of a version, without the heading; undefined: it has no such section with a date. */
export function releaseNotes(root, version) {
  const text = read(root, 'CHANGELOG.md');
  const [, notes] =
    new RegExp(`^## \\[${escaped(version)}\\] - \\d{4}-\\d{2}-\\d{2}\\n([^]*?)(?=^## |$(?![^]))`, 'm').exec(
      text,
    ) ?? [];
  return notes?.trim();
}

function changelogFaults(root, version) {
  const notes = releaseNotes(root, version);
  if (notes === undefined)
    return [`CHANGELOG.md has no section \`## [${version}] - YYYY-MM-DD\`. Give [Unreleased] that heading.`];
  return notes === '' ? [`The section of ${version} in CHANGELOG.md is empty.`] : [];
}

function versionFaults(root, version, git) {
  const lock = JSON.parse(read(root, 'package-lock.json'));
  const chart = read(root, 'deploy/helm/carelink-tokens/Chart.yaml');
  const said = [
    ['package.json', JSON.parse(read(root, 'package.json')).version],
    ['package-lock.json', lock.version],
    ['package-lock.json, packages[""]', lock.packages[''].version],
    ['deploy/helm/carelink-tokens/Chart.yaml, version', /^version: (.+)$/m.exec(chart)?.[1]],
    ['deploy/helm/carelink-tokens/Chart.yaml, appVersion', /^appVersion: (.+)$/m.exec(chart)?.[1]],
    // What manifests run, and what documents install first; some go on to a later one.
    ...git('ls-files', 'deploy', 'docs')
      .split('\n')
      .flatMap((file) => {
        const named = [...read(root, file).matchAll(/carelink-tokens[@:/](\d+\.\d+\.\d+)/g)].map(
          ([, one]) => [file, one],
        );
        return file.startsWith('docs/') ? named.slice(0, 1) : named;
      }),
  ];
  const wrong = said
    .filter(([, one]) => one !== version)
    .map(([where, one]) => `${where} says ${one}, not ${version}.`);
  return [...new Set(wrong)];
}

/** npm and bills of materials point there. Nobody but the maintainer knows the addresses. */
function linkFaults(root) {
  const manifest = JSON.parse(read(root, 'package.json'));
  return ['repository', 'homepage', 'bugs']
    .filter((name) => manifest[name] === undefined)
    .map(
      (name) =>
        `package.json has no "${name}". Users look there for the source and for help. Fill it in, or add --allow-missing-links for a trial.`,
    );
}

const read = (root, file) => readFileSync(`${root}${file}`, 'utf8');
const escaped = (text) => text.replace(/[.+*?^${}()|[\]\\]/g, '\\$&');
