/** What a token says, unverified: only of one that Django issued, or accepted. */
export interface TokenText {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

export function readToken(token: string): TokenText | undefined {
  const [header, payload] = token.split('.');
  const read = { header: objectIn(header), claims: objectIn(payload) };
  return read.header === undefined || read.claims === undefined
    ? undefined
    : { header: read.header, claims: read.claims };
}

function objectIn(segment: string | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment ?? '', 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A claim that is a number; undefined where it is none. */
export function numberIn(claims: TokenText['claims'], name: string): number | undefined {
  const value = claims[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
