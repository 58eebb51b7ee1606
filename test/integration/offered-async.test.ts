/** `--rotation offered` where claims are taken in Redis, and rows are written behind. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;

const ready = services().postgres !== undefined && services().redis !== undefined;

describe.skipIf(!ready)('a rotation that is offered, with claims in Redis', () => {
  const world = rotationWorld();
  let redis: RedisServer;
  let one: Instance;
  let two: Instance;
  /** Of a time when the site still rotated for everybody: its successors have no marker. */
  let unmarked: Instance;

  beforeAll(async () => {
    redis = await startRedis();
    const start = (rotation: 'on' | 'offered') =>
      world.start({ rotation, onReuse: 'revoke-user', shared: { port: redis.port } });
    [one, two, unmarked] = await Promise.all([start('offered'), start('offered'), start('on')]);
    await sleep(TRUST_MS);
  });
  afterAll(() => redis.stop());

  const claims = (instance: Instance) => instance.statements.get('claim') ?? 0;
  const isRotating = (token: string) => decodeToken(token).claims['carelink_rotates'];

  /** A token without the marker that Redis knows to be unspent. */
  async function known(): Promise<string> {
    const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
    const { refresh } = rotated(await unmarked.service.refresh(login.token));
    expect(isRotating(refresh)).toBeUndefined();
    return refresh;
  }

  /** Keeps an instance from writing behind until it is let. */
  function hold(instance: Instance): () => void {
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    instance.faults.push({ purpose: 'write_behind', what: () => held });
    onTestFinished(() => letGo());
    return letGo;
  }

  const rowsOf = (token: string) =>
    world.sql(
      `SELECT 1 FROM token_blacklist_blacklistedtoken b JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
        WHERE o.jti = $1`,
      [decodeToken(token).claims['jti']],
    );

  test('is claimed in Redis and marked; whom nothing is offered to claims nothing', async () => {
    const token = await known();
    const before = claims(one);
    for (let turn = 0; turn < 3; turn++)
      expect(await one.service.refresh(token, false)).toMatchObject({ kind: 'reissued', refresh: undefined });
    const { refresh } = rotated(await one.service.refresh(token, true));
    expect(claims(one)).toBe(before);
    expect(isRotating(refresh)).toBe(true);
    // Without the header as well, and at the other instance.
    expect(isRotating(rotated(await two.service.refresh(refresh, false)).refresh)).toBe(true);
  });

  test('an old client is refused from the moment of the claim, though no row tells it yet', async () => {
    const token = await known();
    const letGo = hold(one);
    const { refresh } = rotated(await one.service.refresh(token, true));
    expect(await rowsOf(token)).toEqual([]);
    for (const instance of [two, one])
      expect(await instance.service.refresh(token, false)).toEqual({ kind: 'blacklisted' });
    letGo();
    await expect.poll(() => rowsOf(token), { timeout: 20_000 }).toHaveLength(1);
    expect(await two.service.refresh(token, false)).toEqual({ kind: 'blacklisted' });
    for (const { events } of [one, two])
      expect(events.filter(({ kind }) => kind === 'reuse' || kind === 'revocation')).toEqual([]);
    rotated(await two.service.refresh(refresh, false));
  });

  test('of old and new clients at once with one token one rotates it, and nobody is accused', async () => {
    for (let round = 0; round < 20; round++) {
      const token = await known();
      const outcomes = await Promise.all(
        Array.from({ length: 16 }, (_, n) => (n % 4 < 2 ? one : two).service.refresh(token, n % 2 === 0)),
      );
      const kinds = outcomes.map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'rotated')).toHaveLength(1);
      // 401 once it is spent, 429 to who came at the same time, an access token to an old client that came before.
      for (const kind of kinds) expect(['rotated', 'reissued', 'blacklisted', 'in_progress']).toContain(kind);
      expect((await two.service.refresh(token, false)).kind).toBe('blacklisted');
    }
    for (const { events } of [one, two])
      expect(events.filter(({ kind }) => kind === 'reuse' || kind === 'revocation')).toEqual([]);
  });
});
