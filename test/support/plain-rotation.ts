import type { CodecOptions } from '../../src/jwt/codec.js';
import type { RotationSettings } from '../../src/rotation/context.js';
import { NO_ADDED_CLAIMS } from '../../src/rotation/policy.js';

/** simplejwt's own names, rotation as it has it, no grace: what a server of parts put together by hand has. */
export const PLAIN_ROTATION: RotationSettings = {
  names: { jti: 'jti', tokenType: 'token_type', userId: 'user_id', slidingEnd: 'refresh_exp' },
  rotation: 'on',
  addedClaims: NO_ADDED_CLAIMS,
  tokenTables: true,
  verifyBlacklist: true,
  accessLifetimeSeconds: 900,
  refreshLifetimeSeconds: 12 * 3600,
  slidingLifetimeSeconds: 900,
  graceUs: 0,
  onReuse: 'reject',
  leewaySeconds: 0,
  requestTimeoutMs: 5_000,
};

/** HS256, and claims that nobody asks for. */
export const PLAIN_CODEC: Omit<CodecOptions, 'signingKey'> = {
  algorithm: 'HS256',
  verifyingKeys: [],
  audience: [],
  issuer: undefined,
  leewaySeconds: 0,
};
