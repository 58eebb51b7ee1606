/**
 * The claims of a token, unverified: that is the servers' business. Here they only tell when to refresh and whose
 * the token is. None where it isn't a JWT.
 */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const [, payload = ''] = token.split('.');
    const bytes = atob(payload.replace(/-/g, '+').replace(/_/g, '/'));
    const text = new TextDecoder().decode(Uint8Array.from<string>(bytes, (byte) => byte.charCodeAt(0)));
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
