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

describe('answers from before the history was cut', () => {
  const looking = (rows: Set<string>) => {
    const looked: { lost: number; of: number }[] = [];
    const audited = new AnswerAudit({
      countRows: (jtis) => Promise.resolve(jtis.filter((jti) => rows.has(jti)).length),
      onAudited: () => undefined,
      onUnaudited: () => undefined,
      onLooked: (lost, of) => looked.push({ lost, of }),
      random: Math.random,
    });
    return { audited, looked };
  };

  it('are looked for again: those of the last minute, those not due yet, and none is lost twice', async () => {
    const rows = new Set(['long ago', 'kept', 'lost', 'owed']);
    const { audited, looked } = looking(rows);
    audited.answered('long ago', 0);
    await audited.check(6_000);
    for (const jti of ['kept', 'lost']) audited.answered(jti, 70_000);
    await audited.check(76_000);
    for (const jti of ['owed', 'never']) audited.answered(jti, 77_000);
    // The server that takes over hasn't got it.
    rows.delete('lost');
    audited.historyCut(77_500);
    audited.answered('after', 79_000);
    for (let atMs = 78_000; atMs < 90_000; atMs += 500) await audited.check(atMs);
    expect(looked).toEqual([{ lost: 2, of: 4 }]);
    audited.historyCut(90_000);
    rows.add('after');
    for (let atMs = 90_000; atMs < 97_000; atMs += 500) await audited.check(atMs);
    expect(looked.slice(1)).toEqual([{ lost: 0, of: 5 }]);
  });

  it('are looked for after each cut, however soon the next one follows: found once is not found for good', async () => {
    const rows = new Set(['a', 'b', 'c']);
    const { audited, looked } = looking(rows);
    for (const jti of ['a', 'b']) audited.answered(jti, 0);
    audited.historyCut(2_000);
    audited.answered('c', 3_000);
    for (let atMs = 2_000; atMs < 9_000; atMs += 500) await audited.check(atMs);
    rows.delete('a');
    audited.historyCut(9_000);
    rows.delete('b');
    audited.historyCut(11_000);
    for (let atMs = 9_000; atMs < 20_000; atMs += 500) await audited.check(atMs);
    expect(looked).toEqual([
      { lost: 0, of: 2 },
      { lost: 2, of: 3 },
      { lost: 0, of: 3 },
    ]);
  });

  it('are kept while the database is away, and looked for when it is back', async () => {
    const rows = new Set(['a']);
    let away = true;
    const looked: number[] = [];
    const audited = new AnswerAudit({
      countRows: (jtis) =>
        away
          ? Promise.reject(new Error('away'))
          : Promise.resolve(jtis.filter((jti) => rows.has(jti)).length),
      onAudited: () => undefined,
      onUnaudited: () => undefined,
      onLooked: (lost) => looked.push(lost),
      random: Math.random,
    });
    for (const jti of ['a', 'b', 'c']) audited.answered(jti, 0);
    for (let atMs = 0; atMs < 20_000; atMs += 500) await audited.check(atMs);
    away = false;
    audited.historyCut(20_000);
    for (let atMs = 20_000; atMs < 27_000; atMs += 500) await audited.check(atMs);
    expect(looked).toEqual([2]);
  });
});
