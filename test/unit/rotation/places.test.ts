import { describe, expect, it } from 'vitest';
import { Places } from '../../../src/rotation/places.js';
import { StoreUnavailableError } from '../../../src/rotation/ports.js';

const now = () => performance.now();

describe('places', () => {
  it('are given to so many at a time, to the others in the order in which they came', async () => {
    const places = new Places(2, now);
    let working = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const leave = await places.take(Infinity);
        order.push(n);
        most = Math.max(most, ++working);
        await new Promise((resolve) => setImmediate(resolve));
        working--;
        leave();
      }),
    );
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('are waited for until the deadline, and who gave up takes none', async () => {
    const places = new Places(1, now);
    const leave = await places.take(Infinity);
    await expect(places.take(now() + 20)).rejects.toThrow(StoreUnavailableError);
    const next = places.take(now() + 10_000);
    leave();
    (await next)();
    (await places.take(now()))();
  });
});
