import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../src/compose/backlog.js';

/** A backlog in a database that tells only when the test lets it. */
function world() {
  const told: number[] = [];
  const asked: { answer: (rows: number) => void; fail: (error: Error) => void }[] = [];
  const backlog = new Backlog({
    count: () => new Promise<number>((answer, fail) => asked.push({ answer, fail })),
    tell: (rows) => told.push(rows),
  });
  return { told, asked, backlog };
}

describe('the backlog of the cleanup', () => {
  it('is what the database says, whoever cleaned up there', async () => {
    const { told, asked, backlog } = world();
    for (const rows of [2_000_000, 40]) {
      const looked = backlog.look();
      asked.pop()!.answer(rows);
      await looked;
    }
    expect(told).toEqual([2_000_000, 40]);
  });

  it('is told by a run of this process while that is at work, and counted again after it', async () => {
    const { told, asked, backlog } = world();
    backlog.begin(900);
    await backlog.look();
    backlog.left(500);
    backlog.end();
    const looked = backlog.look();
    asked.pop()!.answer(7);
    await looked;
    expect([told, asked]).toEqual([[900, 500, 7], []]);
  });

  it('a count that began before a run says nothing after it', async () => {
    const { told, asked, backlog } = world();
    const looked = backlog.look();
    backlog.begin(900);
    backlog.left(0);
    backlog.end();
    asked.pop()!.answer(900);
    await looked;
    expect(told).toEqual([900, 0]);
  });

  it('stands where it can not be counted', async () => {
    const { told, asked, backlog } = world();
    backlog.begin(5);
    backlog.end();
    const looked = backlog.look();
    asked.pop()!.fail(new Error('the database is away'));
    await looked;
    expect(told).toEqual([5]);
  });
});
