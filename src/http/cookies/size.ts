/** Browsers ignore a cookie whose name and value have more bytes than that together (RFC 6265bis, 5.7). */
const MAX_COOKIE_BYTES = 4_096;

/** What a browser keeps of a token in a cookie of that name. */
export function mostTokenBytes(name: string): number {
  return MAX_COOKIE_BYTES - name.length;
}
