/** Sessions whose tokens are refused for good, at a server over HTTP. */
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { judgeAnswers } from '../../../src/bench/answers.js';
import { load, type LoadPlan } from '../../../src/bench/load.js';
import type { BenchPlan } from '../../../src/bench/plan.js';
import { answersOf, openSide, warmUp } from '../../../src/bench/side.js';
import { steady } from '../../../src/bench/schedule.js';

/** Refuses those of `bad`, and notes each request for one of them. */
async function startTarget(bad: ReadonlySet<string>) {
  const refused: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request
      .on('data', (part) => (body += String(part)))
      .on('end', () => {
        const { refresh } = JSON.parse(body) as { refresh: string };
        const [user = '', nth] = refresh.split('.');
        if (bad.has(user)) refused.push(user);
        const answer = bad.has(user) ? {} : { access: 'a.b.c', refresh: `${user}.${Number(nth) + 1}.x` };
        response.writeHead(bad.has(user) ? 401 : 200).end(JSON.stringify(answer));
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return { url: new URL(`http://127.0.0.1:${port}/refresh/`), refused };
}

const BENCH = {
  mode: 'closed', arrivals: 'constant', ratePerSecond: 200, duplicatesPercent: 0, tabs: 1, headers: [], insecure: false,
  rotation: 'on', warmupMs: 100, durationMs: 100, seed: 1, profile: undefined, signal: new AbortController().signal,
} as unknown as BenchPlan; // prettier-ignore

async function openAt(bad: readonly string[], users: number) {
  const { url, refused } = await startTarget(new Set(bad));
  const tokens = Array.from({ length: users }, (_, user) => `${user}.0.x`);
  const side = openSide({ refreshUrl: url, adminUrl: undefined, tokens, reissue: undefined }, BENCH);
  onTestFinished(() => side.target.close());
  return { side, refused };
}

describe.each(['closed', 'open'] as const)('a session that ends in a %s loop', (mode) => {
  const plan: LoadPlan = {
    ...{ name: 'target', mode, durationMs: 150, arrivals: 'constant', duplicates: 0, tabs: 1, seed: 1 },
    ...{ steps: steady(200, 150), reissue: undefined, signal: new AbortController().signal },
  };

  it('is told of in that load, and left out of later ones', async () => {
    const { side, refused } = await openAt(['3'], 10);
    const first = await load(side.target, side.sessions, plan);
    const [second, third] = [
      await load(side.target, side.sessions, plan),
      await load(side.target, side.sessions, plan),
    ];
    expect(refused).toEqual(['3']);
    expect([first, second, third].map(({ recording }) => recording.lostSessions)).toEqual([1, 0, 0]);
    expect([...second.recording.errors, ...third.recording.errors]).toEqual([]);
    expect(second.recording.successes).toBeGreaterThan(0);
  });

  it('and is the last one ends the run, and says what to do', async () => {
    const { side } = await openAt(['0', '1'], 2);
    const first = await load(side.target, side.sessions, plan);
    expect(first.recording.lostSessions).toBe(2);
    await expect(load(side.target, side.sessions, plan)).rejects.toMatchObject({
      code: 'TOKENS_REFUSED',
      message: expect.stringMatching(/all 2 sessions .*fresh tokens/) as string,
    });
  });
});

it('what the warm-up lost is judged with what is measured, once', async () => {
  const { side } = await openAt(['3', '4'], 10);
  await warmUp([side], BENCH, () => undefined);
  const plan: LoadPlan = {
    ...{ name: 'target', mode: 'closed', durationMs: 100, arrivals: 'constant', duplicates: 0, tabs: 1 },
    ...{ seed: 2, steps: [], reissue: undefined, signal: new AbortController().signal },
  };
  const { recording, elapsedMs } = await load(side.target, side.sessions, plan);
  side.recording.absorb(recording);
  const facts = answersOf({ ...side, elapsedMs }, BENCH, undefined);
  expect(facts).toMatchObject({ users: 10, lostSessions: 0, endedInWarmUp: 2 });
  expect(judgeAnswers(facts)).toMatchObject({
    because: expect.stringMatching(
      /^2 times a session was refused for good .* ended in the warm-up/,
    ) as string,
  });
});
