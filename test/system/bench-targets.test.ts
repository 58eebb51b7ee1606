import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { OPEN_LOAD } from '../cli/bench-world.js';
import { run } from '../cli/run.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

interface Answer {
  readonly status?: number;
  readonly next?: string;
  readonly delayMs?: number;
}

/** A target that answers in a way of its own; `nth` counts the requests. */
async function startTarget(answer: (nth: number, token: string) => Answer) {
  const { createServer } = await import('node:http');
  let nth = 0;
  const server = createServer((request, response) => {
    let body = '';
    request
      .on('data', (part) => (body += String(part)))
      .on('end', () => {
        const { refresh } = JSON.parse(body) as { refresh: string };
        const { status = 200, next = '', delayMs = 0 } = answer(++nth, refresh);
        const end = () => response.writeHead(status).end(JSON.stringify({ access: 'a.b.c', refresh: next }));
        if (delayMs === 0) end();
        else setTimeout(end, delayMs);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/refresh/`, stop: () => void server.close() };
}

const SEEDED = 50;

it.concurrent.each<[string, (nth: number, token: string) => Answer, RegExp]>([
  ['does not rotate', (_, token) => ({ next: token }), /answers held no new refresh token/],
  ['gives users the same token', (nth) => ({ next: `a.b.${Math.floor(nth / 20)}` }), /another session had just been given/],
  ['throttles most', (nth) => (nth > SEEDED && nth % 3 > 0 ? { status: 429 } : { next: `a.b.${nth}` }), /requests were not answered .*HTTP 429: \d+\)\. A throttle/],
  ['refuses sessions for good', (nth) => (nth > SEEDED && nth % 4 === 0 ? { status: 401 } : { next: `a.b.${nth}` }), /a session was refused for good .*HTTP 401/],
])('fails a target that %s, and says so', async (_, answer, because) => {
  const target = await startTarget(answer);
  const { code, stdout } = await run(['bench', target.url, ...OPEN_LOAD, '--duplicates', '0'], env);
  target.stop();
  const report = JSON.parse(stdout) as { verdict: string; because: string };
  expect(report.because).toMatch(because);
  expect([code, report.verdict]).toEqual([1, 'fail']);
}); // prettier-ignore

it('compares with a baseline of the same plan, says what differs in another one, and fails a regression', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-bench-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  let delayMs = 0;
  const target = await startTarget((nth) => ({ next: `a.b.${nth}`, delayMs }));
  onTestFinished(target.stop);
  const bench = (...args: string[]) =>
    run(
      ['bench', target.url, ...OPEN_LOAD, '--duplicates', '0', '--duration', '3s', ...args],
      env,
      directory,
    );
  await bench('--out', 'before.json');
  const other = await bench('--baseline', 'before.json', '--users', '51');
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('before.json was made with --users 50:') as string,
  });
  delayMs = 300;
  const { code, stdout } = await bench('--baseline', 'before.json', '--max-regression', '50');
  const { because, comparison } = JSON.parse(stdout) as {
    because: string;
    comparison: { mean: { low: number } };
  };
  expect(comparison.mean.low).toBeGreaterThan(1.5);
  expect(because).toMatch(/^(The mean was .* --max-regression\.|refresh duration, mean was)/);
  expect(code).toBe(1);
});
