import { before, UNAVAILABLE, type RotationContext } from './context.js';
import type { ReuseKind } from './events.js';
import type { Refusal } from './outcomes.js';
import { StoreUnavailableError, type FoundToken, type TokenKey } from './ports.js';

/** Descendants computed and looked up at once: a shift's worth of 15-minute refreshes fits in one look-up. */
const WINDOW = 64;

/** 16,384 generations: hours of a client that refreshes every second. Beyond it the user is revoked instead. */
const MAX_WINDOWS = 256;

type RevocationCause = 'logout' | 'reuse' | 'operator';

/** What following a family takes: an operator's command has no more. */
export type RevokeContext = Pick<RotationContext, 'chain' | 'store' | 'emit'>;

/** Somebody presented a token long after it was rotated: counts it, and does what `--on-reuse` says, before answering. */
export async function answerReuse(
  context: RotationContext,
  subject: Accused,
  reuse: ReuseKind,
  deadlineMs: number,
): Promise<Refusal> {
  context.emit({ kind: 'reuse', reuse, userKey: subject.userKey });
  return refusedOnce(context, deadlineMs, async () => {
    switch (await punishmentOf(context, subject)) {
      case 'reject':
        break;
      case 'revoke-family':
        await context.outbox?.closeUser(subject.userKey, deadlineMs);
        await revokeDescendants(context, subject, 'reuse');
        break;
      case 'revoke-user':
        await context.outbox?.closeUser(subject.userKey, deadlineMs);
        await revokeUserOf(context, subject, 'reuse', 0);
        break;
    }
  });
}

type Accused = TokenKey & { readonly issuedAtSeconds: number | undefined };

/**
 * Where commits were lost, a token that was spent lives again beside what came of it, and the two meet as reuse. The honest
 * can't help it: tokens that were issued before are refused, and nobody is logged out for them (rule 36).
 */
async function punishmentOf(
  { settings, history }: RotationContext,
  { issuedAtSeconds = 0 }: Accused,
): Promise<RotationContext['settings']['onReuse']> {
  if (settings.onReuse === 'reject') return 'reject';
  const cutAtUs = await history?.cutAtUs();
  return cutAtUs !== undefined && issuedAtSeconds * 1_000_000 < cutAtUs ? 'reject' : settings.onReuse;
}

/** A token that was rotated and is revoked: its reuse was answered, but perhaps not to the end (see `refusedOnce`). */
export async function finishRevocation(
  context: RotationContext,
  { userKey }: TokenKey,
  deadlineMs: number,
): Promise<Refusal> {
  return refusedOnce(context, deadlineMs, async () => {
    if (userKey !== undefined && context.settings.onReuse === 'revoke-user') {
      await context.store.finishRevocation(userKey);
    }
  });
}

async function refusedOnce(
  context: RotationContext,
  deadlineMs: number,
  revoked: () => Promise<void>,
): Promise<Refusal> {
  try {
    await before(context, deadlineMs, revoked());
  } catch (error) {
    // Refused, but not yet revoked: 503 makes an honest client repeat, and the repeat revokes.
    if (error instanceof StoreUnavailableError) return UNAVAILABLE;
    throw error;
  }
  return { kind: 'blacklisted' };
}

/**
 * Blacklists what was derived from a token, to the tip of its family, beside rotations that go on meanwhile.
 * Returns how many rows it blacklisted.
 *
 * A rotation in flight either loses its row to us, or wins it and leaves a successor that the next look-up
 * sees, for claim and successor are written in one statement (rule 8).
 *
 * @throws StoreUnavailableError
 */
export async function revokeDescendants(
  context: RevokeContext,
  subject: TokenKey,
  cause: RevocationCause,
): Promise<number> {
  const { chain, store, emit } = context;
  let rows = 0;
  let at = subject.jti;
  for (let window = 0; window < MAX_WINDOWS; window++) {
    const line = await longestLine(context, chain.descendantsOf(at, WINDOW));
    const last = line.at(-1);
    if (last === undefined) {
      emit({ kind: 'revocation', cause, end: 'closed_elsewhere', rows });
      return rows;
    }
    const open = line.filter((token) => !token.blacklisted).map((token) => token.id);
    const won = open.length === 0 ? new Set<string>() : await store.blacklistRows(open);
    rows += won.size;
    if (won.has(last.id)) {
      // It was unspent until now and can't be claimed any more: nothing follows it.
      emit({ kind: 'revocation', cause, end: 'tip', rows });
      return rows;
    }
    at = last.jti;
  }
  return revokeUserOf(context, subject, cause, rows);
}

/**
 * How many live tokens `revokeDescendants` would find now. Changes nothing.
 *
 * @throws StoreUnavailableError
 */
export async function countDescendants(
  context: Pick<RevokeContext, 'chain' | 'store'>,
  jti: string,
): Promise<number> {
  let live = 0;
  let at = jti;
  for (let window = 0; window < MAX_WINDOWS; window++) {
    const line = await longestLine(context, context.chain.descendantsOf(at, WINDOW));
    live += line.filter((token) => !token.blacklisted).length;
    const last = line.at(-1);
    if (last === undefined || line.length < WINDOW) break;
    at = last.jti;
  }
  return live;
}

async function revokeUserOf(
  context: RevokeContext,
  subject: TokenKey,
  cause: RevocationCause,
  rowsBefore: number,
): Promise<number> {
  const rows =
    rowsBefore + (subject.userKey === undefined ? 0 : await context.store.revokeUser(subject.userKey));
  context.emit({ kind: 'revocation', cause, end: 'escalated', rows });
  return rows;
}

/** The tokens that stand without a gap from the first on, under the chain key that reaches furthest. */
async function longestLine(context: Pick<RevokeContext, 'store'>, lines: string[][]): Promise<FoundToken[]> {
  const found = new Map((await context.store.find(lines.flat())).map((token) => [token.jti, token]));
  let longest: FoundToken[] = [];
  for (const line of lines) {
    const standing: FoundToken[] = [];
    for (const jti of line) {
      const token = found.get(jti);
      if (token === undefined) break;
      standing.push(token);
    }
    if (standing.length > longest.length) longest = standing;
  }
  return longest;
}
