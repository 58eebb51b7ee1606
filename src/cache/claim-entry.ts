import type { Claim } from '../rotation/ports.js';

/**
 * A claim as an entry of the outbox: all that its rows hold, so that any instance can write them. A list, for its place
 * names a field; instances of two versions meet in a rolling update, so a field is only ever added at the end.
 */
export function encodeClaim(claim: Claim): string {
  const { successor } = claim;
  return JSON.stringify([
    1, claim.jti, claim.token, claim.userKey ?? null, claim.issuedAtSeconds ?? null, claim.expiresAtSeconds,
    claim.claimedAtUs, successor.jti, successor.token, successor.expiresAtSeconds,
    ...(tellsStart(claim) ? [claim.startSeconds] : []),
  ]); // prettier-ignore
}

/** A session that began with this very token needs no field: the release before has none. */
function tellsStart({ startSeconds, issuedAtSeconds }: Claim): boolean {
  return startSeconds !== undefined && startSeconds !== issuedAtSeconds;
}

/** Undefined: no claim that this version can read. */
export function decodeClaim(text: string): Claim | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [
    version,
    jti,
    token,
    userKey,
    issuedAt,
    expiresAt,
    claimedAtUs,
    nextJti,
    nextToken,
    nextExpiresAt,
    start,
  ] = fields as unknown[];
  if (version !== 1 || typeof jti !== 'string' || typeof token !== 'string') return undefined;
  if (typeof nextJti !== 'string' || typeof nextToken !== 'string') return undefined;
  if (!isTime(expiresAt) || !isTime(claimedAtUs) || !isTime(nextExpiresAt)) return undefined;
  if (userKey !== null && typeof userKey !== 'string') return undefined;
  if (issuedAt !== null && !isTime(issuedAt)) return undefined;
  if (start !== undefined && start !== null && !isTime(start)) return undefined;
  return {
    jti,
    rowId: undefined,
    token,
    userKey: userKey ?? undefined,
    issuedAtSeconds: issuedAt ?? undefined,
    startSeconds: start ?? undefined,
    expiresAtSeconds: expiresAt,
    claimedAtUs,
    successor: { jti: nextJti, token: nextToken, expiresAtSeconds: nextExpiresAt },
  };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
