import type { Subject } from './claims.js';
import type { RotationContext } from './context.js';
import { refusalOf, type BadStanding, type UserRefusal } from './standing.js';

/** The answer to a token whose user may not have it refreshed, and it is told that its session has ended. */
export function refused(
  { emit }: Pick<RotationContext, 'emit'>,
  { jti }: Pick<Subject, 'jti'>,
  standing: BadStanding,
): UserRefusal {
  emit({ kind: 'session_refused', jti, standing });
  return refusalOf(standing);
}
