import { EVERYBODY } from './who-sql.js';
import type { Change } from '../rotation/change-feed.js';

/** Too much was changed at once to be told in detail: anything may have been. */
const ANYTHING = 'anything';

/** What a trigger's payload says. One that isn't understood, from another release of the tool, may say anything. */
export function readChanges(payload: string): readonly Change[] | typeof ANYTHING {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return ANYTHING;
  }
  if (typeof value !== 'object' || value === null) return ANYTHING;
  const { users, blacklisted } = value as { readonly users?: unknown; readonly blacklisted?: unknown };
  if (Array.isArray(users) && users.every((key) => typeof key === 'string')) {
    // An operator has revoked everybody's: of all that was remembered nothing is to be trusted, as after a gap.
    if (users.includes(EVERYBODY)) return ANYTHING;
    return users.map((userKey) => ({ kind: 'user', userKey }));
  }
  if (Array.isArray(blacklisted) && blacklisted.every(isPair)) {
    const tokens = blacklisted.map(([jti, userKey]) => ({ jti, userKey: userKey ?? undefined }));
    return [{ kind: 'blacklisted', tokens }];
  }
  return ANYTHING;
}

function isPair(value: unknown): value is readonly [string, string | null] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [jti, userKey] = value as readonly unknown[];
  return typeof jti === 'string' && (userKey === null || typeof userKey === 'string');
}
