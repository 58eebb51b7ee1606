import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LagProbe } from '../../../src/http/lag-probe.js';

describe('the probe of how long sockets wait', () => {
  it('measures again after a datagram that was lost, and is not misled by one that comes after all', async () => {
    let nowMs = 0;
    const probe = new LagProbe(() => nowMs);
    onTestFinished(() => probe.close());
    /** Sends one as soon as it can, and reads it so long after. */
    const measure = async (tookMs: number) => {
      const sentMs = nowMs;
      for (let waited = 0; waited < 5_000; waited += 5) {
        probe.standingMs(sentMs);
        nowMs = sentMs + tookMs;
        await sleep(5);
        nowMs = sentMs;
        if (waited > 100) break;
      }
      nowMs = sentMs + tookMs + 30;
    };
    await measure(1);
    // Sent now, and not read for longer than any takes: the next one is sent at once, before the first has come.
    probe.standingMs(nowMs);
    nowMs += 6_000;
    expect(probe.standingMs(nowMs)).toBe(0);
    const sentMs = nowMs;
    for (const n of [1, 2]) {
      probe.standingMs(sentMs + (n - 1) * 200);
      nowMs = sentMs + (n - 1) * 200 + 100;
      await sleep(50);
    }
    expect(probe.standingMs(nowMs + 1)).toBe(100);
  });
});
