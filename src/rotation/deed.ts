import { randomUUID } from 'node:crypto';
import type { DeedKind } from '../deed-kinds.js';
import type { Chain } from './chain.js';
import type { ReuseKind } from './events.js';

/**
 * The ending of tokens, as the audit keeps it. It may take many statements: each ends some and records it at once, under the
 * same `once`. A statement that ends nothing records nothing, so a client in a loop writes nothing either.
 */
export interface Deed {
  readonly id: string;
  /** What has the same makes one row, and is counted there. */
  readonly once: string;
  readonly kind: DeedKind;
  readonly scope: 'session' | 'user' | 'everybody';
  /** Who did it: `server`, or `command: ` and somebody on a host. */
  readonly actor: string;
  readonly reason: string | undefined;
  readonly userKey: string | undefined;
  /** Never the jti itself. */
  readonly jtiDigest: string | undefined;
}

/** Something that a server does about a token that it was shown. */
export function serverDeed(
  chain: Pick<Chain, 'digestOf'>,
  kind: 'logout' | 'reuse' | 'late_claim',
  { jti, userKey }: { readonly jti: string; readonly userKey: string | undefined },
  reason?: ReuseKind,
): Deed {
  const jtiDigest = chain.digestOf(jti);
  return {
    id: randomUUID(),
    once: `${kind} ${jtiDigest}`,
    kind,
    scope: 'session',
    actor: 'server',
    reason,
    userKey,
    jtiDigest,
  };
}

/** Something that a person does: each time it is another deed. */
export function operatorDeed(deed: Omit<Deed, 'id' | 'once'>): Deed {
  const id = randomUUID();
  return { ...deed, id, once: id };
}
