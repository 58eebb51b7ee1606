import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionMeter } from '../../../src/observe/session-meter.js';

const ACCESS_SECONDS = 900;

function world(accessLifetimeSeconds = ACCESS_SECONDS) {
  let nowMs = 5_000_000;
  const meter = new SessionMeter({ accessLifetimeSeconds, monotonicMs: () => nowMs });
  const moveTo = (ms: number) => (nowMs = ms);
  const refresh = (heldSeconds: number | undefined) =>
    meter.onRotationEvent({
      kind: 'refresh',
      jti: 'j',
      outcome: 'rotated',
      met: false,
      read: false,
      heldSeconds,
    });
  return { meter, moveTo, refresh, bornMs: nowMs };
}

/** Sessions that are refreshed each `period` seconds, one after the other, until so long after the start. */
function run(
  { refresh, moveTo, bornMs }: ReturnType<typeof world>,
  count: number,
  period: number,
  forSeconds: number,
) {
  const moments = Array.from({ length: count }, (_, n) => (n * period) / count).flatMap((first) =>
    Array.from({ length: Math.ceil((forSeconds - first) / period) }, (_, k) => first + k * period),
  );
  for (const second of moments.sort((a, b) => a - b)) {
    moveTo(bornMs + second * 1000);
    refresh(period);
  }
  moveTo(bornMs + forSeconds * 1000);
}

describe('how many sessions are active', () => {
  it('is told whatever the time between their refreshes, up to an access lifetime', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 60, max: ACCESS_SECONDS }),
        (count, period) => {
          const here = world();
          run(here, count, period, 3 * ACCESS_SECONDS);
          // One refresh of each session may be just within the window, or just not.
          const slack = (count * period) / ACCESS_SECONDS + 1;
          expect(Math.abs(here.meter.active()! - count)).toBeLessThanOrEqual(Math.max(slack * 0.1, 1));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('isn\u2019t known before all of them can have come, and is none when none came', () => {
    const here = world();
    here.refresh(600);
    here.moveTo(here.bornMs + (ACCESS_SECONDS - 1) * 1000);
    expect(here.meter.active()).toBeUndefined();
    here.moveTo(here.bornMs + 3 * ACCESS_SECONDS * 1000);
    expect(here.meter.active()).toBe(0);
  });

  it('counts one who comes back after a night as one, and a repeat as none', () => {
    const here = world();
    here.moveTo(here.bornMs + 2 * ACCESS_SECONDS * 1000);
    here.refresh(12 * 3_600);
    here.refresh(undefined);
    expect(here.meter.active()).toBeCloseTo(1, 1);
    expect(here.meter.heldSecondsTotal).toBe(ACCESS_SECONDS);
  });

  it('its sum grows by as much a second as there are sessions', () => {
    const here = world();
    run(here, 100, 300, 9_000);
    expect(here.meter.heldSecondsTotal / 9_000).toBeCloseTo(100, 0);
  });
});

describe('sessions that ended', () => {
  it('are counted once, however often their token comes again', () => {
    const { meter } = world();
    const token = `eyJ.eyJ.${'s'.repeat(43)}`;
    for (let n = 0; n < 3; n++) {
      meter.sawRefusal('expired', token);
      meter.sawRefusal('blacklisted', token);
      meter.onRotationEvent({ kind: 'session_refused', jti: 'a', standing: 'revoked' });
      meter.onRotationEvent({ kind: 'session_refused', jti: 'b', standing: 'gone' });
      meter.onRotationEvent({ kind: 'session_refused', jti: 'c', standing: 'inactive' });
    }
    meter.sawRefusal('expired', `eyJ.eyJ.${'t'.repeat(43)}`);
    expect(
      ['expired', 'revoked', 'inactive', 'password_changed', 'logout'].map((c) =>
        meter.ended(c as 'expired'),
      ),
    ).toEqual([2, 1, 2, 0, 0]);
  });

  it('a family is one session; all that a user had are as many as rows; of what a command did nothing is counted here', () => {
    const { meter } = world();
    meter.onRotationEvent({ kind: 'revocation', cause: 'logout', end: 'tip', rows: 2 });
    meter.onRotationEvent({ kind: 'revocation', cause: 'logout', end: 'tip', rows: 0 });
    meter.onRotationEvent({ kind: 'revocation', cause: 'reuse', end: 'escalated', rows: 7 });
    meter.onRotationEvent({ kind: 'revocation', cause: 'operator', end: 'tip', rows: 1 });
    expect([meter.ended('logout'), meter.ended('reuse')]).toEqual([1, 7]);
  });

  it('are forgotten after some thousand others: what is kept is bounded', () => {
    const { meter } = world();
    const refused = (n: number) =>
      meter.onRotationEvent({ kind: 'session_refused', jti: `t${n}`, standing: 'revoked' });
    for (let n = 0; n < 5_000; n++) refused(n);
    refused(4_999);
    expect(meter.ended('revoked')).toBe(5_000);
    refused(0);
    expect(meter.ended('revoked')).toBe(5_001);
  });
});
