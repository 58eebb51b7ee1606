import { createHmac, randomBytes } from 'node:crypto';

/** simplejwt's own lifetime of this project's refresh tokens: 12 h. */
const LIFETIME_SECONDS = 43_200;

/** A refresh token as Django would mint it at a login, signed with HS256. */
export function mintRefreshToken(signingKey: string, userId: number, nowMs: number): string {
  const iat = Math.floor(nowMs / 1_000);
  const claims = {
    token_type: 'refresh',
    exp: iat + LIFETIME_SECONDS,
    iat,
    jti: randomBytes(16).toString('hex'),
    user_id: userId,
  };
  const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;
  return `${signed}.${createHmac('sha256', signingKey).update(signed).digest('base64url')}`;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
