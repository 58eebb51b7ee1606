import type { ServeSettings } from '../config/settings.js';
import type { RotationSettings } from '../rotation/context.js';
import { maxSuccessorBytes } from './cookies.js';
import { NO_ADDED_CLAIMS, OFFERED_CLAIMS } from '../rotation/policy.js';

/** What the operations need of an operator's settings, in their own terms. */
export function rotationSettings(settings: ServeSettings): RotationSettings {
  const { tokens, rotation } = settings;
  return {
    names: tokens.names,
    subAsText: tokens.subAsText,
    rotation: rotation.policy,
    addedClaims: rotation.policy === 'offered' ? OFFERED_CLAIMS : NO_ADDED_CLAIMS,
    tokenTables: rotation.tokenTables,
    verifyBlacklist: rotation.verifyBlacklist,
    accessLifetimeSeconds: tokens.accessLifetimeSeconds,
    refreshLifetimeSeconds: tokens.refreshLifetimeSeconds,
    slidingLifetimeSeconds: tokens.slidingLifetimeSeconds,
    leewaySeconds: tokens.leewaySeconds,
    sessionLifetimeSeconds: tokens.sessionLifetimeSeconds,
    lifetimeSpread: tokens.lifetimeSpread,
    tellsStart: tokens.tellsStart,
    graceUs: rotation.reuseGraceMs * 1000,
    onReuse: rotation.onReuse,
    requestTimeoutMs: rotation.requestTimeoutMs,
    maxSuccessorBytes: maxSuccessorBytes(settings),
  };
}
