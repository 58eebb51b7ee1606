import { randomBytes } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Claim } from '../../src/rotation/ports.js';
import type { Database } from '../../src/store/database.js';
import { readSchema } from '../../src/store/schema.js';
import { PgWriteBehind } from '../../src/store/write-behind.js';
import { testDatabase } from '../support/database.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('claims that are written behind', () => {
  const world = rotationWorld();

  it('of one family go one after the other, in the order of their rotations; other claims go along with them', async () => {
    const pool = testDatabase(world.url, { size: 2 });
    onTestFinished(() => pool.end());
    const schema = await readSchema(pool, {
      userCheck: 'auto',
      userTable: undefined,
      userIdColumn: undefined,
      userActiveColumn: 'is_active',
    });
    const statements: string[][] = [];
    const database: Database = {
      query(purpose, statement) {
        const [jtis] = statement.values as [string];
        statements.push(jtis.slice(1, -1).replaceAll('"', '').split(','));
        return pool.query(purpose, statement);
      },
    };
    const writer = new PgWriteBehind({
      database,
      schema,
      maxQueued: 100,
      monotonicMs: () => performance.now(),
      random: Math.random,
      onBatch: () => undefined,
    });
    const [login, other] = [await world.login(), await world.login()];
    const nowUs = Date.now() * 1000;
    let claimedAtUs = nowUs - 1_000_000;
    const claimOf = (jti: string, userId: number | string): Claim => ({
      jti,
      rowId: undefined,
      token: jti,
      userKey: String(userId),
      issuedAtSeconds: Math.floor(nowUs / 1_000_000) - 60,
      expiresAtSeconds: Math.floor(nowUs / 1_000_000) + 600,
      claimedAtUs: claimedAtUs++,
      successor: {
        jti: randomBytes(16).toString('hex'),
        token: 'next',
        expiresAtSeconds: Math.floor(nowUs / 1_000_000) + 660,
      },
    });
    const first = claimOf(login.jti, login.userId);
    const second = claimOf(first.successor.jti, login.userId);
    const third = claimOf(second.successor.jti, login.userId);
    const apart = claimOf(other.jti, other.userId);
    const written = await Promise.all(
      [first, second, third, apart].map((claim) => writer.write(claim, performance.now() + 60_000)),
    );
    expect(written).toEqual(Array.from({ length: 4 }, () => ({ kind: 'written', stands: true })));
    expect(statements).toEqual([[first.jti, apart.jti], [second.jti], [third.jti]]);
  });
});
