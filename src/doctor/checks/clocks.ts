import { cannotTell, fault, ofDatabase, warning, type Check, type Finding } from '../check.js';
import type { TokenSample } from '../token-sample.js';
import { ofOurSamples } from './tokens.js';

/** A login is refused by a token from the future once clocks differ by a second; PyJWT allows nothing. */
const SKEW_WARNING_MS = 1_000;
const SKEW_FAULT_MS = 5_000;

/** Of fewer, one log-in that hung between making its token and writing its row would look like a clock. */
const LAG_OF_MIN = 3;

export const CLOCK_CHECKS: readonly Check[] = [
  ofDatabase('clock', "this host's clock and the database's agree", ({ clockAheadMs, embedded }) =>
    embedded ? [] : skew(clockAheadMs),
  ),
  ofOurSamples('django_clock', "Django's clock and the database's agree", (samples, { nowMs }) => {
    const newest = Math.max(...samples.map(({ issuedAtSeconds }) => issuedAtSeconds ?? 0));
    const aheadMs = newest * 1000 - nowMs;
    if (aheadMs >= SKEW_WARNING_MS) {
      return [
        graded(
          aheadMs,
          `The newest token was made ${inSeconds(aheadMs)} after the database's now: Django's clock is ahead. Until then such a token is refused here.`,
        ),
      ];
    }
    const lagMs = lagOf(samples);
    if (lagMs === undefined) {
      return cannotTell('Django and this server have not both made tokens of late, and only that shows it');
    }
    if (lagMs < SKEW_WARNING_MS) return [];
    return [
      graded(
        lagMs,
        `Django's clock is at least ${inSeconds(lagMs)} behind the database's: it refuses tokens that are made here as not yet valid until it has caught up.`,
      ),
    ];
  }),
];

/**
 * How far Django's clock is behind, at least. Rows have their ids in the order in which they were written, and ours
 * are dated by the database: a later row of Django's with an earlier time was dated by a clock that lags. Not so the
 * rows that are made for a token without one when it is spent: those keep the time of its iat.
 *
 * @param samples the newest first
 */
function lagOf(samples: readonly TokenSample[]): number | undefined {
  const lags: number[] = [];
  let oursMs: number | undefined;
  for (const { ours, spent, createdUs, issuedAtSeconds } of [...samples].reverse()) {
    if (ours) oursMs = Math.max(oursMs ?? 0, (createdUs ?? 0) / 1000);
    else if (oursMs !== undefined && issuedAtSeconds !== undefined && spent === false) {
      // iat is cut down to its second.
      lags.push(oursMs - (issuedAtSeconds + 1) * 1000);
    }
  }
  return lags.sort((a, b) => b - a)[LAG_OF_MIN - 1];
}

function skew(aheadMs: number): Finding[] {
  const off = Math.abs(aheadMs);
  if (off < SKEW_WARNING_MS) return [];
  return [
    graded(
      off,
      `This host's clock is ${inSeconds(off)} ${aheadMs > 0 ? 'ahead of' : 'behind'} the database's.`,
    ),
  ];
}

function graded(offMs: number, what: string): Finding {
  const mend =
    "Run NTP on all hosts. Tokens made here are dated by the database's clock; a Django whose clock is behind refuses them as not yet valid.";
  return offMs < SKEW_FAULT_MS ? warning(what, mend) : fault(what, mend);
}

const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
