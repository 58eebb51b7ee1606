import { before, UNAVAILABLE, type RotationContext } from './context.js';
import { serverDeed, type Deed } from './deed.js';
import type { ReuseKind } from './events.js';
import type { Refusal } from './outcomes.js';
import { StoreUnavailableError, type TokenKey } from './ports.js';
import { longestLine, walkFamily } from './walk.js';

/** Descendants looked up at once by a count, which is in no hurry. */
const WINDOW = 1_024;

/** As far as `walkFamily` goes. */
const MAX_WINDOWS = 16;

/** What following a family takes: an operator's command has no more. */
export interface RevokeContext extends Pick<RotationContext, 'chain' | 'revocations' | 'emit' | 'walks'> {
  readonly settings?: Pick<RotationContext['settings'], 'refreshLifetimeSeconds'>;
}

/** Somebody presented a token long after it was rotated: counts it, and does what `--on-reuse` says, before answering. */
export async function answerReuse(
  context: RotationContext,
  subject: Accused,
  reuse: ReuseKind,
  deadlineMs: number,
): Promise<Refusal> {
  context.emit({ kind: 'reuse', reuse, userKey: subject.userKey });
  const deed = (): Deed => serverDeed(context.chain, 'reuse', subject, reuse);
  return refusedOnce(context, deadlineMs, async () => {
    switch (await punishmentOf(context, subject)) {
      case 'reject':
        break;
      case 'revoke-family':
        await context.outbox?.closeUser(subject.userKey, deadlineMs);
        await revokeDescendants(context, subject, deed(), deadlineMs);
        break;
      case 'revoke-user':
        await context.outbox?.closeUser(subject.userKey, deadlineMs);
        await revokeUserOf(context, subject, deed(), 0, deadlineMs);
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
  subject: TokenKey,
  deadlineMs: number,
): Promise<Refusal> {
  const { userKey } = subject;
  return refusedOnce(context, deadlineMs, async () => {
    if (userKey !== undefined && context.settings.onReuse === 'revoke-user') {
      const deed = serverDeed(context.chain, 'reuse', subject);
      await context.revocations.as(deed).finishRevocation(userKey, deadlineMs);
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
 * Blacklists what was derived from a token, to the tip of its family. Where that isn't found, or not in time, its user is
 * revoked. Returns how many rows were blacklisted; those who ask for the same at the same time are told the same.
 *
 * @throws StoreUnavailableError
 */
export function revokeDescendants(
  context: RevokeContext,
  subject: TokenKey,
  deed: Deed,
  deadlineMs: number,
): Promise<number> {
  const { chain, walks, emit, settings } = context;
  return walks.share(subject, deadlineMs, async (leave) => {
    const { end, rows, remember } = await walkFamily(
      {
        ...leave,
        chain,
        revocations: context.revocations.as(deed),
        trails: walks.trails,
        successorLifeSeconds: settings?.refreshLifetimeSeconds ?? Infinity,
        monotonicMs: walks.monotonicMs,
      },
      subject,
    );
    if (end !== 'broken') {
      remember();
      emit({ kind: 'revocation', cause: causeOf(deed), end, rows });
      return rows;
    }
    const all = await revokeUserOf(context, subject, deed, rows, leave.deadlineMs);
    remember();
    return all;
  });
}

/**
 * How many live tokens `revokeDescendants` would find now. Changes nothing.
 *
 * @throws StoreUnavailableError
 */
export async function countDescendants(
  { chain, revocations }: Pick<RevokeContext, 'chain' | 'revocations'>,
  jti: string,
): Promise<number> {
  let live = 0;
  let at = jti;
  for (let window = 0; window < MAX_WINDOWS; window++) {
    const lines = chain.descendantsOf(at, WINDOW);
    const rows = await revocations.find(lines.flat(), Infinity);
    const { line } = longestLine(lines, new Map(rows.map((token) => [token.jti, token])));
    live += line.filter((token) => !token.blacklisted).length;
    const last = line.at(-1);
    if (last === undefined) break;
    at = last.jti;
  }
  return live;
}

async function revokeUserOf(
  context: Pick<RevokeContext, 'revocations' | 'emit'>,
  { userKey }: TokenKey,
  deed: Deed,
  rowsBefore: number,
  deadlineMs: number,
): Promise<number> {
  const all = context.revocations.as({ ...deed, scope: 'user' });
  const rows = rowsBefore + (userKey === undefined ? 0 : await all.revokeUser(userKey, deadlineMs));
  context.emit({ kind: 'revocation', cause: causeOf(deed), end: 'escalated', rows });
  return rows;
}

function causeOf({ kind }: Deed): 'logout' | 'reuse' | 'operator' {
  if (kind === 'reuse') return kind;
  return kind === 'logout' || kind === 'late_claim' ? 'logout' : 'operator';
}
