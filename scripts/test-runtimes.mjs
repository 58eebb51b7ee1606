// `npm run test:runtimes`: the quick tests on each Node that is supported, one after the other.
//   npm run test:runtimes -- 22 26                    # on these
//   npm run test:runtimes -- 24 -- test/unit          # these tests
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeRuntime, RUNTIMES } from './node-runtimes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);
const end = words.indexOf('--');
const asked = end < 0 ? words : words.slice(0, end);
const tests = end < 0 ? [] : words.slice(end + 1);

const outcomes = [];
for (const version of asked.length > 0 ? asked : RUNTIMES) {
  const node = nodeRuntime(version);
  // What a test starts by the name `node` is this one, too.
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  const told = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n== Node ${told}`);
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'quick', ...tests];
  const { status } = spawnSync(node, vitest, { cwd: root, env, stdio: 'inherit' });
  outcomes.push([told, status === 0]);
}

console.log();
for (const [version, passed] of outcomes) console.log(`Node ${version}: ${passed ? 'passed' : 'FAILED'}`);
process.exitCode = outcomes.every(([, passed]) => passed) ? 0 : 1;
