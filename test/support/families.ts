import { createChain } from '../../src/rotation/chain.js';
import { operatorDeed } from '../../src/rotation/deed.js';
import { query } from './postgres.js';
import { mintRefresh, type MintedToken } from './tokens.js';

export interface FamilyOptions {
  readonly userId: number | string;
  /** How often the first token was rotated. */
  readonly generations: number;
  /** The chain key of each rotation, counted from 0. */
  readonly keyOf: (rotation: number) => Buffer;
  /** How long ago it began, and how long the first token lives. Rotations are spread over the time since. */
  readonly ageSeconds?: number;
  readonly firstLifetimeSeconds?: number;
  /** How long each of the others lives. */
  readonly lifetimeSeconds?: number;
}

export interface Family {
  readonly first: MintedToken;
  readonly tip: MintedToken;
  /** All ids in order, the first one's and the tip's included. */
  readonly jtis: readonly string[];
  /** The token of a generation, 0 being the first. */
  at(generation: number): MintedToken;
}

/** Writes the rows of a family as rotations leave them, with their marks: all are spent but the tip. */
export async function plantFamily(url: string, options: FamilyOptions): Promise<Family> {
  const { userId, generations, keyOf, ageSeconds = 3_600, lifetimeSeconds = 12 * 3_600 } = options;
  const beganSeconds = Math.floor(Date.now() / 1000) - ageSeconds;
  const madeSeconds = (n: number) => beganSeconds + Math.floor((n * (ageSeconds - 60)) / generations);
  const first = mintRefresh({
    userId,
    iatSeconds: beganSeconds,
    lifetimeSeconds: options.firstLifetimeSeconds ?? lifetimeSeconds,
  });
  const chains = new Map<Buffer, ReturnType<typeof createChain>>();
  const chainOf = (key: Buffer) => {
    const chain = chains.get(key) ?? createChain([key]);
    chains.set(key, chain);
    return chain;
  };
  const jtis = [first.jti];
  for (let n = 0; n < generations; n++) jtis.push(chainOf(keyOf(n)).successorOf(jtis[n]!));
  const at = (generation: number): MintedToken =>
    generation === 0
      ? first
      : mintRefresh({
          userId,
          jti: jtis[generation]!,
          iatSeconds: madeSeconds(generation),
          lifetimeSeconds,
        });
  const tip = at(generations);
  await query(
    url,
    `WITH family AS (
       INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
       SELECT CASE i.n WHEN cardinality($1::text[]) THEN $5 ELSE repeat('x', 240) END, to_timestamp(i.made),
              to_timestamp(i.made + CASE i.n WHEN 1 THEN $6::bigint ELSE $4::bigint END), $3, i.jti
         FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS i (jti, made, n)
        ORDER BY i.n
       RETURNING id, jti
     )
     INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
     SELECT to_timestamp(($2::bigint[])[i.n + 1]), f.id
       FROM unnest($1::text[]) WITH ORDINALITY AS i (jti, n)
       JOIN family f ON f.jti = i.jti
      WHERE i.n < cardinality($1::text[])
      ORDER BY f.id`,
    [
      jtis,
      jtis.map((_, n) => madeSeconds(n)),
      userId,
      lifetimeSeconds,
      tip.token,
      first.expSeconds - first.iatSeconds,
    ],
  );
  return { first, tip, jtis, at };
}

/** What a test's own walk is done for. */
export const DEED = operatorDeed({
  kind: 'revoke_family',
  scope: 'session',
  actor: 'test',
  reason: undefined,
  userKey: undefined,
  jtiDigest: undefined,
});
