import { fork } from 'node:child_process';
import { once } from 'node:events';
import { load } from './load.js';
import { openTarget } from './target.js';

/** In the first block connections are made and code is compiled; the best of the others is what it can do. */
const BLOCKS = 3;

export interface Calibration {
  readonly perSecond: number;
  readonly p50Ms: number;
}

/** What this generator does at most, on this machine and now: a closed loop against a server that does nothing. */
export async function calibrate(users: number, signal: AbortSignal, blockMs: number): Promise<Calibration> {
  const child = fork(new URL('../bench/null-server.js', import.meta.url), { execArgv: [] });
  const gone = once(child, 'exit');
  try {
    const [port] = (await Promise.race([
      once(child, 'message'),
      gone.then(() => Promise.reject(new Error('the null server ended'))),
    ])) as [number];
    const target = openTarget(new URL(`http://127.0.0.1:${port}/account/token/refresh/`), users);
    const sessions = Array.from({ length: users }, (_, lane) => ({ token: NULL_TOKEN, lane }));
    try {
      let best = { perSecond: 0, p50Ms: 0 };
      for (let n = 0; n < BLOCKS; n++) {
        const { recording, elapsedMs } = await load(target, sessions, {
          name: 'The server that does nothing',
          mode: 'closed',
          durationMs: blockMs,
          steps: [],
          arrivals: 'constant',
          duplicates: 0,
          tabs: 1,
          seed: 1,
          reissue: undefined,
          signal,
        });
        const perSecond = (recording.requests * 1_000) / elapsedMs;
        if (perSecond > best.perSecond) best = { perSecond, p50Ms: recording.service.percentileMs(50) };
      }
      return best;
    } finally {
      await target.close();
    }
  } finally {
    if (child.connected) child.disconnect();
    await gone;
  }
}

/** As long as a real one. */
const NULL_TOKEN = `${'h'.repeat(36)}.${'c'.repeat(190)}.${'s'.repeat(43)}`;
