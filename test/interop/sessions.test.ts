/** A user's sessions by the rows that a real Django and our server leave in turn. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/run.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { pairOf, refresh } from './api.js';
import { startPair, type Pair } from './pair.js';

interface Told {
  readonly live: number;
  readonly sessions: readonly { id: string; kind: string; since: string; last_refresh: string | null }[];
  readonly refused: Readonly<Record<string, number>>;
}

const { postgres, django } = services();

describe.skipIf(postgres === undefined || !django)('sessions, beside a Django', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair();
  });
  afterAll(() => pair.close());

  const sessions = async (user: string): Promise<Told> => {
    const { code, stdout, stderr } = await run(['sessions', '--user', user, '--json'], {
      DATABASE_URL: pair.database,
    });
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout) as Told;
  };
  const rowOf = async (token: string) =>
    (
      await query<{ id: string }>(
        pair.database,
        'SELECT id::text FROM token_blacklist_outstandingtoken WHERE jti = $1',
        [decodeToken(token).claims['jti']],
      )
    )[0]?.id;
  const rotateHere = async (token: string) => pairOf(await refresh(pair.url, token)).refresh;
  const rotateAtDjango = async (token: string) => pairOf(await refresh(pair.django.url, token)).refresh;
  const since = (token: string) =>
    new Date(Number(decodeToken(token).claims['iat']) * 1000).toISOString().slice(0, 19);

  it('log-ins at Django are sessions, and stay the same ones when they are refreshed here', async () => {
    const user = await pair.django.makeUser();
    const [one, other] = [await pair.django.mint(user), await pair.django.mint(user)];
    const tip = await rotateHere(await rotateHere(one.refresh));
    const told = await sessions(user);
    expect(told.sessions.map(({ id }) => id)).toEqual([await rowOf(tip), await rowOf(other.refresh)]);
    expect(told.sessions.map((session) => session.since.slice(0, 19))).toEqual([
      since(one.refresh),
      since(other.refresh),
    ]);
    expect(told.sessions.map((session) => session.last_refresh !== null)).toEqual([true, false]);
  });

  it('what Django rotated is none any more; its successor is one from its next refresh here on, for 5.2 writes it no row', async () => {
    const user = await pair.django.makeUser();
    const { refresh: first } = await pair.django.mint(user);
    const next = await rotateAtDjango(await rotateHere(first));
    expect(await rowOf(next)).toBeUndefined();
    expect((await sessions(user)).live).toBe(0);
    const tip = await rotateHere(next);
    const told = await sessions(user);
    expect(told.sessions.map(({ id }) => id)).toEqual([await rowOf(tip)]);
    expect(told.sessions[0]!.since.slice(0, 19)).toBe(since(next));
  });

  it('sliding tokens are sessions; those of a user who was deactivated are refused, and of one who was deleted nobody asks', async () => {
    const user = await pair.django.makeUser();
    await pair.django.mintSliding(user);
    expect((await sessions(user)).sessions).toMatchObject([{ kind: 'sliding', last_refresh: null }]);
    await pair.django.deactivateUser(user);
    expect(await sessions(user)).toMatchObject({ live: 0, refused: { inactive: 1 } });
    await pair.django.deleteUser(user);
    const { code } = await run(['sessions', '--user', user], { DATABASE_URL: pair.database });
    expect(code).toBe(1);
  });
});
