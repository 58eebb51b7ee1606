/**
 * A shift that logs in within a minute, and what its refreshes look like 20 periods later: the real lifetimes, the real chain
 * of ids, and the moments of the real client.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { refreshAtMs } from '../../../src/client/clock.js';
import { createChain } from '../../../src/rotation/chain.js';
import { accessSpan, type Lifetimes } from '../../../src/rotation/lifetimes.js';
import { mintRefresh } from '../../support/tokens.js';

const USERS = 5_000;
const PERIODS = 20;
const LOGINS_SECONDS = 60;
const ACCESS_SECONDS = 900;
/** Of a token of 15 minutes: the client refreshes within the first half of the last two minutes. */
const LEAD_SECONDS = 120;
const DRAWN_SECONDS = 60;
const START_SECONDS = 1_800_000_000;

const CHAIN = createChain([Buffer.alloc(32, 7)]);

/** How many refreshes came in each second since the first log-in. */
function storm(spread: number, momentOf: (jti: string, iat: number, exp: number) => number): Float64Array {
  const lifetimes: Lifetimes = {
    accessLifetimeSeconds: ACCESS_SECONDS,
    refreshLifetimeSeconds: 86_400,
    slidingLifetimeSeconds: 900,
    leewaySeconds: 0,
    lifetimeSpread: spread,
  };
  const counts = new Float64Array(ACCESS_SECONDS * (PERIODS + 1));
  for (let user = 0; user < USERS; user++) {
    let jti = createHash('md5').update(`user ${user}`).digest('hex');
    let atMs = START_SECONDS * 1000 + (LOGINS_SECONDS * 1000 * user) / USERS;
    for (;;) {
      jti = CHAIN.successorOf(jti);
      const { issuedAtSeconds, expiresAtSeconds } = accessSpan(lifetimes, atMs * 1000, undefined, jti);
      atMs = momentOf(CHAIN.accessOf(jti, 0), issuedAtSeconds, expiresAtSeconds);
      const second = Math.floor(atMs / 1000) - START_SECONDS;
      if (second >= counts.length) break;
      counts[second] = counts[second]! + 1;
    }
  }
  return counts;
}

const byOurClient = (jti: string, iatSeconds: number, exp: number): number => {
  const lifetimeSeconds = exp - iatSeconds;
  const { token } = mintRefresh({ tokenType: 'access', jti, iatSeconds, lifetimeSeconds });
  return refreshAtMs({ id: '', generation: 1, access: token, skewMs: 0 });
};
/** As most clients do it. */
const atAFixedMoment = (_: string, __: number, exp: number): number => (exp - LEAD_SECONDS) * 1000;

/** The expected number in each second: log-ins spread over a minute, and each period another draw of each. */
function expected(spread: number, drawnSeconds: number): Float64Array {
  const length = ACCESS_SECONDS * (PERIODS + 1);
  const sum = new Float64Array(length);
  let wave = new Float64Array(length).fill(USERS / LOGINS_SECONDS, 0, LOGINS_SECONDS);
  const widest = Math.floor(ACCESS_SECONDS * spread) || 1;
  // The least a period can take, less half of the second that a token's iat is cut by.
  const least = ACCESS_SECONDS - LEAD_SECONDS - (widest - 1);
  for (let n = 0; n < PERIODS * 2; n++) {
    wave = later(smeared(smeared(wave, widest), drawnSeconds), least);
    for (let at = 0; at < length; at++) sum[at] = sum[at]! + wave[at]!;
  }
  return sum;
}

/** Each of them later by 0 to `width` - 1 seconds, all as likely. */
function smeared(wave: Float64Array, width: number): Float64Array<ArrayBuffer> {
  const result = new Float64Array(wave.length);
  let within = 0;
  for (let at = 0; at < wave.length; at++) {
    within += wave[at]! - (wave[at - width] ?? 0);
    result[at] = within / width;
  }
  return result;
}

function later(wave: Float64Array, seconds: number): Float64Array<ArrayBuffer> {
  const result = new Float64Array(wave.length);
  result.set(wave.subarray(0, wave.length - seconds), seconds);
  return result;
}

/**
 * Peak against mean in the n-th period, in closed form: normal waves that run into each other. E is the mean period, and each
 * period adds the variances of what is drawn in it.
 */
function closedForm(spread: number, drawnSeconds: number, n: number): number {
  const mean = meanPeriod(spread, drawnSeconds);
  const variance = (LOGINS_SECONDS ** 2 + n * ((spread * ACCESS_SECONDS) ** 2 + drawnSeconds ** 2)) / 12;
  let ratio = 1;
  for (let k = 1; k <= 50; k++) ratio += 2 * Math.exp((-2 * Math.PI ** 2 * k ** 2 * variance) / mean ** 2);
  return ratio;
}

function meanPeriod(spread: number, drawnSeconds: number): number {
  return ACCESS_SECONDS * (1 - spread / 2) - LEAD_SECONDS + drawnSeconds / 2;
}

/** The greatest number in the n-th period. */
function peakOf(counts: Float64Array, period: number, n: number): number {
  const from = Math.round(period * (n - 0.5));
  return Math.max(...counts.subarray(from, Math.round(from + period)));
}

/** Six standard deviations of a count, and what whole seconds are off by. */
const noise = (count: number): number => 6 * Math.sqrt(count) + 6;

describe(`${USERS} users who have logged in within a minute`, () => {
  it.each([
    ['clients of one fixed moment, no spread', 0, atAFixedMoment, 0],
    ['our client, no spread', 0, byOurClient, DRAWN_SECONDS],
    ['our client, a spread of 30 %', 0.3, byOurClient, DRAWN_SECONDS],
  ] as const)('%s: each second of 20 periods is as it is computed', (name, spread, momentOf, drawn) => {
    const counts = storm(spread, momentOf);
    const computed = expected(spread, drawn || 1);
    const period = meanPeriod(spread, drawn);
    const mean = USERS / period;
    // What is cut off of an iat adds up to half a second a period: a minute around is as long as that is not seen in.
    const around = (of: Float64Array, at: number): number[] => [
      ...of.subarray(Math.max(0, at - 15), at + 16),
    ];
    const off: object[] = [];
    for (const [at, count] of counts.entries()) {
      const near = around(computed, at);
      const [least, most] = [Math.min(...near), Math.max(...near)];
      if (count > most + noise(most) || count < least - noise(least)) off.push({ at, count, least, most });
    }
    expect(off).toEqual([]);
    const ratios = [1, 2, 5, 10, 19].map((n) => {
      const peak = peakOf(counts, period, n);
      const closed = closedForm(spread, drawn, n) * mean;
      // Of one uniform draw nothing is normal yet.
      if (n >= 5 && spread + drawn > 0) {
        expect(peak).toBeGreaterThanOrEqual(closed - noise(closed));
        expect(peak).toBeLessThanOrEqual(closed + noise(closed));
      }
      return `${(peak / mean).toFixed(1)} (${(closed / mean).toFixed(1)})`;
    });
    console.log(
      `${name}: mean ${mean.toFixed(1)}/s, peak second against it after 1, 2, 5, 10, 19: ${ratios.join(', ')}`,
    );
  });
});
