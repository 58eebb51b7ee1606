// Breaks what four servers share, ten times each, and writes what came of it into docs/reliability.md.
// Needs PostgreSQL and Redis as the long tests do; half an hour. `node scripts/reliability.mjs [figures.jsonl]`:
// with a file of figures nothing is run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DOCUMENT = fileURLToPath(new URL('../docs/reliability.md', import.meta.url));
const BEGIN = '<!-- figures: scripts/reliability.mjs -->';
const END = '<!-- end of figures -->';

const file = process.argv[2] ?? run();
const latest = new Map();
for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
  const figures = JSON.parse(line);
  latest.set(figures.name, figures);
}
const document = readFileSync(DOCUMENT, 'utf8');
const [before, rest] = document.split(BEGIN);
const after = rest.split(END)[1];
writeFileSync(DOCUMENT, `${before}${BEGIN}\n\n${table([...latest.values()])}\n\n${END}${after}`);
const format = spawnSync('npx', ['prettier', '--write', DOCUMENT], { stdio: 'inherit' });
process.exitCode = format.status ?? 1;

function run() {
  const figures = join(mkdtempSync(join(tmpdir(), 'carelink-reliability-')), 'figures.jsonl');
  const args = ['vitest', 'run', '--config', 'vitest.long.config.ts', 'test/chaos/outages.long.test.ts'];
  const env = { ...process.env, LONG: '1', RELIABILITY_FILE: figures };
  const { status } = spawnSync('npx', args, { stdio: 'inherit', env });
  if (status !== 0) console.error('Something was lost, forked, or did not run: the table says what.');
  return figures;
}

function table(all) {
  const head =
    '| what was broken | times | refreshes | 503 | of them in the calm before | no answer | lost Redis | answered twice, found | last error after its return | wrong |';
  const rows = all.map(
    (f) =>
      `| ${f.name} | ${f.outages} | ${f.requests} | ${f.unavailable} | ${f.calmErrors} | ${f.none} | ${f.redisLost} | ${f.doublesFound} | ${f.lastErrorMs} ms | ${f.violations === 0 ? 'nothing' : f.violations} |`,
  );
  return [head, `|${' --- |'.repeat(10)}`, ...rows].join('\n');
}
