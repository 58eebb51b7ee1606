import { describe, expect, it } from 'vitest';
import { NotConnectedError } from '../../../src/store/errors.js';
import { GroupQueue, type GroupQueueOptions } from '../../../src/store/group-queue.js';

interface Item {
  readonly key: string;
  readonly n: number;
}

const item = (n: number, key = String(n)): Item => ({ key, n });
const never = () => performance.now() + 60_000;
const sqlError = (code: string, detail = '') =>
  Object.assign(new Error('a statement failed'), { code, detail, severity: 'ERROR' });

const queue = (
  execute: GroupQueueOptions<Item, number>['execute'],
  over: Partial<GroupQueueOptions<Item, number>> = {},
) =>
  new GroupQueue<Item, number>({
    execute,
    keyOf: ({ key }) => key,
    whenReferenceGone: ({ key }, gone) => (gone.value === key ? -1 : undefined),
    lanes: 1,
    spareLanes: 1,
    maxBatch: 100,
    maxQueued: 1_000,
    maxWaitMs: Infinity,
    monotonicMs: () => performance.now(),
    random: () => 0.5,
    onBatch: () => undefined,
    ...over,
  });

/** Runs everything it is given and keeps what shared a statement. */
const recorder = (fail?: (items: readonly Item[]) => Error | undefined) => {
  const batches: number[][] = [];
  const execute = async (items: readonly Item[]) => {
    batches.push(items.map(({ n }) => n));
    await new Promise((resolve) => setImmediate(resolve));
    const error = fail?.(items);
    if (error !== undefined) throw error;
    return items.map(({ n }) => n * 10);
  };
  return { batches, execute };
};

const submitAll = (target: GroupQueue<Item, number>, items: Item[]) =>
  Promise.all(items.map((each) => target.submit(each, never())));

describe('items that arrive together', () => {
  it('share one statement, and each gets its own result', async () => {
    const { batches, execute } = recorder();
    const settled = await submitAll(queue(execute), [item(1), item(2), item(3)]);
    expect(batches).toEqual([[1, 2, 3]]);
    expect(settled).toEqual([10, 20, 30].map((result) => ({ kind: 'done', result, repeated: false })));
  });

  it('never share it with another of the same key', async () => {
    const { batches, execute } = recorder();
    await submitAll(queue(execute), [item(1, 'a'), item(2, 'b'), item(3, 'a'), item(4, 'a')]);
    expect(batches).toEqual([[1, 2], [3], [4]]);
  });

  it('never share it with another whose second key it is, and what waits for a key goes first', async () => {
    const { batches, execute } = recorder();
    const next = new Map([
      [1, 'b'],
      [2, 'c'],
    ]);
    const target = queue(execute, { alsoKeyOf: ({ n }) => next.get(n) ?? `after ${n}` });
    // From a to b, from b to c, from c, and one that has nothing to do with them.
    await submitAll(target, [item(1, 'a'), item(2, 'b'), item(3, 'c'), item(4, 'd')]);
    expect(batches).toEqual([[1, 4], [2], [3]]);
  });

  it('gather for a pause after each statement, where that is wanted; the first goes at once', async () => {
    const { batches, execute } = recorder();
    const sentAtMs: number[] = [];
    const target = queue(
      (items) => {
        sentAtMs.push(performance.now());
        return execute(items);
      },
      // Two lanes: a free one doesn't shorten the pause.
      { lanes: 2, pauseMs: () => 300 },
    );
    await target.submit(item(1), never());
    const others = [2, 3].map(async (n) => {
      await new Promise((resolve) => setTimeout(resolve, 10 * n));
      return target.submit(item(n), never());
    });
    await Promise.all(others);
    expect(batches).toEqual([[1], [2, 3]]);
    expect(sentAtMs[1]! - sentAtMs[0]!).toBeGreaterThanOrEqual(300);
  });

  it('are answered a few a turn of the event loop where others go first, all at once where none do', async () => {
    const answered = async (over: Partial<GroupQueueOptions<Item, number>>) => {
      let [turnOver, settled, most] = [false, 0, 0];
      const turn = () => {
        settled = 0;
        if (!turnOver) setImmediate(turn);
      };
      turn();
      const { batches, execute } = recorder();
      // A clock that stands: whatever this machine is busy with, they share a statement.
      const target = queue(execute, { monotonicMs: () => 0, ...over });
      const submitted = Array.from({ length: 20 }, async (_, n) => {
        expect(await target.submit(item(n), never())).toMatchObject({ kind: 'done', result: n * 10 });
        most = Math.max(most, ++settled);
      });
      await Promise.all(submitted);
      turnOver = true;
      return { most, batch: Math.max(...batches.map(({ length }) => length)) };
    };
    const paced = await answered({ pauseMs: () => 0 });
    expect(paced.most).toBeLessThanOrEqual(4);
    expect(paced.batch).toBeGreaterThan(10);
    const plain = await answered({});
    expect(plain.most).toBe(plain.batch);
  });

  it('are bounded by the batch size', async () => {
    const { batches, execute } = recorder();
    await submitAll(
      queue(execute, { maxBatch: 2 }),
      [1, 2, 3, 4, 5].map((n) => item(n)),
    );
    expect(batches).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('gather while a statement is out', async () => {
    const { batches, execute } = recorder();
    const target = queue(execute);
    const first = target.submit(item(1), never());
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, ...[2, 3].map((n) => target.submit(item(n), never()))]);
    expect(batches).toEqual([[1], [2, 3]]);
  });
});

describe('bounds', () => {
  it('a full queue refuses at once, and says that nothing was sent', async () => {
    const target = queue(() => new Promise(() => undefined), { maxQueued: 2 });
    void target.submit(item(1), never());
    await new Promise((resolve) => setTimeout(resolve, 5));
    void target.submit(item(2), never());
    void target.submit(item(3), never());
    const refused = target.submit(item(4), never());
    const atOnce = await Promise.race([refused, new Promise((resolve) => setTimeout(resolve, 1_000))]);
    expect(atOnce).toEqual({ kind: 'unavailable', sent: false });
  });

  /** What doesn't come is told as such: a test that hangs says nothing. */
  const inTime = <T>(settled: Promise<T>): Promise<T | 'still waiting'> =>
    Promise.race([
      settled,
      new Promise<'still waiting'>((resolve) => setTimeout(() => resolve('still waiting'), 5_000)),
    ]);

  it('an item whose deadline passes while it waits is told then, and is not sent', async () => {
    let release: () => void = () => undefined;
    const batches: number[][] = [];
    const target = queue(async (items) => {
      batches.push(items.map(({ n }) => n));
      if (items[0]?.n === 1) await new Promise<void>((resolve) => (release = resolve));
      return items.map(({ n }) => n);
    });
    const first = target.submit(item(1), never());
    await new Promise((resolve) => setTimeout(resolve, 5));
    const expired = target.submit(item(2), performance.now() + 20);
    expect(await inTime(expired)).toEqual({ kind: 'unavailable', sent: false });
    release();
    await first;
    expect(batches).toEqual([[1]]);
  });

  it('an item whose deadline has passed when its turn comes is not sent, though nobody has looked since', async () => {
    let nowMs = 0;
    let release: () => void = () => undefined;
    const batches: number[][] = [];
    const target = queue(
      async (items) => {
        batches.push(items.map(({ n }) => n));
        if (items[0]?.n === 1) await new Promise<void>((resolve) => (release = resolve));
        return items.map(({ n }) => n);
      },
      { monotonicMs: () => nowMs },
    );
    void target.submit(item(1), 1_000);
    await new Promise((resolve) => setImmediate(resolve));
    const [expired, alive] = [target.submit(item(2), 10), target.submit(item(3), 1_000)];
    nowMs = 10;
    release();
    expect(await inTime(expired)).toEqual({ kind: 'unavailable', sent: false });
    expect(await inTime(alive)).toMatchObject({ kind: 'done' });
    expect(batches).toEqual([[1], [3]]);
  });

  it('an item that met a lock is not sent again once its deadline has passed', async () => {
    let nowMs = 0;
    const { batches, execute } = recorder(() => {
      nowMs = 10;
      return sqlError('55P03');
    });
    const target = queue(execute, { monotonicMs: () => nowMs });
    expect(await inTime(target.submit(item(1), 10))).toEqual({ kind: 'unavailable', sent: false });
    expect(batches).toEqual([[1]]);
  });

  it('an item that met a lock leaves at its deadline though another keeps its lane', async () => {
    const alone = new Map<number, number>();
    const target = queue((items) => {
      const [{ n }] = items as [Item];
      if (items.length === 1) alone.set(n, (alone.get(n) ?? 0) + 1);
      return n === 1 && alone.get(1) === 2
        ? new Promise<number[]>(() => undefined)
        : Promise.reject(sqlError('55P03'));
    });
    void target.submit(item(1), never());
    const deadlineMs = performance.now() + 500;
    expect(await inTime(target.submit(item(2), deadlineMs))).toEqual({ kind: 'unavailable', sent: false });
  });

  it.each([
    ['and its turn comes', (n: number) => Promise.resolve([n])],
    ['and its turn does not come', () => new Promise<number[]>(() => undefined)],
  ])(
    'an item of a failed statement that waits for a lane is not sent after its deadline: %s',
    async (_, run) => {
      let nowMs = 0;
      const sent: number[][] = [];
      const target = queue(
        (items) => {
          sent.push(items.map(({ n }) => n));
          if (items.length > 1) return Promise.reject(sqlError('55P03'));
          nowMs = 10;
          return run(1);
        },
        { monotonicMs: () => nowMs },
      );
      void target.submit(item(1), 1_000);
      expect(await inTime(target.submit(item(2), 10))).toEqual({ kind: 'unavailable', sent: false });
      expect(sent).toEqual([[1, 2], [1]]);
    },
  );
});

describe('a failed statement', () => {
  it.each([
    ['a lock', '55P03'],
    ['a deadlock', '40P01'],
    ['a row that cannot be written', '22P05'],
  ])('because of %s holds up nobody but the culprit', async (_, code) => {
    let locked = true;
    const { execute } = recorder((items) =>
      locked && items.some(({ n }) => n === 7) ? sqlError(code) : undefined,
    );
    const target = queue(execute, { spareLanes: 2 });
    const culprit = target.submit(item(7), never()).then(
      (settled) => settled,
      (error: unknown) => error,
    );
    const others = Array.from({ length: 60 }, (_, n) => item(n + 100));
    expect(await submitAll(target, others)).toEqual(
      others.map(({ n }) => ({ kind: 'done', result: n * 10, repeated: false })),
    );
    locked = false;
    if (code === '22P05') expect(await culprit).toMatchObject({ code });
    else expect(await culprit).toEqual({ kind: 'done', result: 70, repeated: false });
  });

  it('because a row is gone tells that one and sends the others again', async () => {
    const { batches, execute } = recorder((items) =>
      items.some(({ key }) => key === '5')
        ? sqlError('23503', 'Key (user_id)=(5) is not present in table "u".')
        : undefined,
    );
    const settled = await submitAll(queue(execute), [item(4), item(5), item(6)]);
    expect(settled.map((each) => (each.kind === 'done' ? each.result : each))).toEqual([40, -1, 60]);
    expect(batches).toEqual([
      [4, 5, 6],
      [4, 6],
    ]);
  });

  it.each([
    ['without a connection', new NotConnectedError('no')],
    ['at a server that shuts down', sqlError('57P01')],
    ['whose answer never came', new Error('Connection terminated unexpectedly')],
  ])('%s is repeated until it goes through', async (_, error) => {
    let failures = 3;
    const { execute } = recorder(() => (failures-- > 0 ? error : undefined));
    const repeated = !(error instanceof NotConnectedError);
    expect(await queue(execute).submit(item(1), never())).toEqual({ kind: 'done', result: 10, repeated });
  });

  it('is repeated though the timers run ahead of the clock, as they do after a busy turn of the loop', async () => {
    let failures = 1;
    const { execute } = recorder(() => (failures-- > 0 ? new NotConnectedError('no') : undefined));
    const slow = queue(execute, { monotonicMs: () => performance.now() / 4 });
    expect(await slow.submit(item(1), 5_000 + performance.now() / 4)).toMatchObject({ kind: 'done' });
  });

  it('that never goes through tells whether something was sent', async () => {
    const soon = () => performance.now() + 80;
    const lost = queue(recorder(() => new Error('Connection terminated unexpectedly')).execute);
    expect(await lost.submit(item(1), soon())).toEqual({ kind: 'unavailable', sent: true });
    const unreachable = queue(recorder(() => new NotConnectedError('no')).execute);
    expect(await unreachable.submit(item(1), soon())).toEqual({ kind: 'unavailable', sent: false });
  });
});

describe('under overload', () => {
  /** A database of 4 ms a row, on a clock of the test's own: each statement ends when the clock has come so far. */
  const slowDatabase = (rowMs: number) => {
    const clock = { nowMs: 0 };
    const sent: number[] = [];
    const due: { atMs: number; end: () => void }[] = [];
    const execute = (items: readonly Item[]) => {
      sent.push(...items.map(({ n }) => n));
      return new Promise<readonly number[]>((resolve) => {
        due.push({ atMs: clock.nowMs + rowMs * items.length, end: () => resolve(items.map(({ n }) => n)) });
      });
    };
    const pass = async (ms: number) => {
      for (const endMs = clock.nowMs + ms; clock.nowMs < endMs; clock.nowMs++) {
        for (const statement of due.filter(({ atMs }) => atMs <= clock.nowMs)) {
          due.splice(due.indexOf(statement), 1);
          statement.end();
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    return { clock, sent, execute, pass };
  };

  /** Three times what the database bears, for ten seconds. */
  const overloaded = async (maxWaitMs: number) => {
    const { clock, sent, execute, pass } = slowDatabase(4);
    const target = queue(execute, {
      lanes: 2,
      maxBatch: 200,
      maxWaitMs,
      maxQueued: 10_000,
      monotonicMs: () => clock.nowMs,
    });
    const told = { done: [] as number[], refusedMs: [] as number[], inTime: 0 };
    const tellOf = async (n: number) => {
      const atMs = clock.nowMs;
      const settled = await target.submit(item(n), atMs + 5_000);
      const tookMs = clock.nowMs - atMs;
      if (settled.kind === 'done') {
        told.done.push(n);
        if (tookMs < 1_000) told.inTime++;
      } else told.refusedMs.push(tookMs);
    };
    for (let n = 0; n < 15_000;) {
      await pass(2);
      for (let each = 0; each < 3; each++) void tellOf(n++);
    }
    await pass(8_000);
    return { sent: new Set(sent), ...told };
  };

  it('as much is answered as can be, all of it within a second, and the others are refused at once', async () => {
    const { done, inTime, refusedMs, sent } = await overloaded(250);
    // 500 a second for ten.
    expect(done.length).toBeGreaterThan(4_750);
    expect(inTime).toBe(done.length);
    expect(Math.max(...refusedMs)).toBeLessThan(5);
    expect(sent.size).toBe(done.length);
  });

  it('(where it is bounded by count alone hardly anything is answered within a second)', async () => {
    const { done, inTime } = await overloaded(Infinity);
    expect(inTime).toBeLessThan(done.length / 2);
  });

  it('an item whose deadline would pass while its statement is out is not sent', async () => {
    const { clock, sent, execute, pass } = slowDatabase(10);
    const target = queue(execute, { lanes: 1, maxBatch: 20, monotonicMs: () => clock.nowMs });
    void submitAll(target, [item(1)]);
    await pass(50);
    void submitAll(target, [item(2)]);
    await pass(2);
    // When they can be sent there are 7 ms left to them, and a statement takes 10.
    const late = [item(3), item(4)].map((each) => target.submit(each, clock.nowMs + 15));
    const early = target.submit(item(5), clock.nowMs + 1_000);
    await pass(100);
    expect(await Promise.all(late)).toEqual(late.map(() => ({ kind: 'unavailable', sent: false })));
    expect(await early).toMatchObject({ kind: 'done' });
    expect(sent).toEqual([1, 2, 5]);
  });

  it('a statement is sent though the event loop does nothing but read: when it is full, or 5 ms old', async () => {
    const { batches, execute } = recorder();
    const target = queue(execute, { lanes: 2, maxBatch: 8 });
    const settled: Promise<unknown>[] = [];
    const submit = (n: number) => settled.push(target.submit(item(n), never()));
    for (let n = 0; n < 10; n++) submit(n);
    const full = batches.map((batch) => batch.length);
    const untilMs = performance.now() + 10;
    while (performance.now() < untilMs);
    submit(10);
    expect([full, batches.map((batch) => batch.length)]).toEqual([[8], [8, 3]]);
    await Promise.all(settled);
  });
});
