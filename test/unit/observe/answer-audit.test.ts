import { describe, expect, it } from 'vitest';
import { AnswerAudit } from '../../../src/observe/answer-audit.js';

function audit(rows: ReadonlySet<string> | 'down') {
  const seen = { confirmed: 0, audited: 0, unaudited: 0, asked: [] as string[] };
  let database = rows;
  const audited = new AnswerAudit({
    countRows: (jtis) => {
      if (database === 'down') return Promise.reject(new Error('down'));
      const there = database;
      seen.asked.push(...jtis);
      return Promise.resolve(jtis.filter((jti) => there.has(jti)).length);
    },
    onAudited(confirmed, count) {
      seen.confirmed += confirmed;
      seen.audited += count;
    },
    onUnaudited: (count) => (seen.unaudited += count),
    random: Math.random,
  });
  return { audited, seen, becomes: (next: ReadonlySet<string> | 'down') => (database = next) };
}

describe('answers held against rows', () => {
  it('are looked for when their five seconds are over, and what is lost counts', async () => {
    const { audited, seen } = audit(new Set(['a', 'c']));
    for (const jti of ['a', 'b', 'c']) audited.answered(jti, 1_000);
    await audited.check(6_999);
    expect(seen.audited).toBe(0);
    expect(audited.pending).toBe(3);
    await audited.check(7_000);
    expect(seen).toMatchObject({ confirmed: 2, audited: 3, unaudited: 0 });
    expect(audited.pending).toBe(0);
  });

  it('are looked for again while the database is away, and are not counted once it is too late to tell', async () => {
    const { audited, seen, becomes } = audit('down');
    audited.answered('early', 0);
    audited.answered('later', 4_000);
    await audited.check(6_500);
    becomes(new Set(['early', 'later']));
    await audited.check(9_999);
    expect(seen).toMatchObject({ confirmed: 0, audited: 0, unaudited: 1 });
    await audited.check(10_000);
    expect(seen).toMatchObject({ confirmed: 1, audited: 1, unaudited: 1 });
  });

  it('of a busy second are drawn fairly', async () => {
    const kept = { first: 0, last: 0 };
    for (let round = 0; round < 200; round++) {
      const { audited, seen } = audit(new Set());
      for (let n = 0; n < 1_000; n++) audited.answered(`${n}`, n / 2);
      await audited.check(6_000);
      expect(seen.audited).toBe(250);
      if (seen.asked.includes('0')) kept.first++;
      if (seen.asked.includes('999')) kept.last++;
    }
    // A quarter of 200, and six standard deviations (6.1 each) either way.
    for (const count of Object.values(kept)) {
      expect(count).toBeGreaterThan(13);
      expect(count).toBeLessThan(87);
    }
  });
});
