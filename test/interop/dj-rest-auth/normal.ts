import type { Reply } from '../http.js';
import { normal, normalOfOurs, type NormalReply } from '../matrix/normal.js';

/** One `Set-Cookie`, attribute by attribute; times are told from now on. */
export interface NormalCookie {
  readonly name: string;
  readonly value: unknown;
  readonly attributes: Readonly<Record<string, string | true>>;
}

export interface CookieReply extends NormalReply {
  readonly cookies: readonly NormalCookie[];
}

export const cookieReply = (reply: Reply): CookieReply => told(reply, normal);
export const cookieReplyOfOurs = (reply: Reply): CookieReply => told(reply, normalOfOurs);

function told(reply: Reply, of: (reply: Reply) => NormalReply): CookieReply {
  const cookies = [reply.headers['set-cookie'] ?? []].flat();
  return { ...of({ ...reply, body: withoutDates(reply.body) }), cookies: cookies.map(cookieIn) };
}

/** To five minutes, as the claims of tokens are compared. */
function fromNow(ms: number): string {
  return ms === 0 ? '1970' : `now + ${Math.round((ms - Date.now()) / 300_000) * 300 + 0} s`;
}

function withoutDates(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(
    Object.entries(body).map(([name, value]: [string, unknown]) => {
      const isDate = name.endsWith('_expiration') && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(String(value));
      return [name, isDate ? fromNow(Date.parse(String(value))) : value];
    }),
  );
}

function cookieIn(header: string): NormalCookie {
  const [pair = '', ...rest] = header.split('; ');
  const at = pair.indexOf('=');
  const value = pair.slice(at + 1);
  const attributes = rest.map((text): [string, string | true] => {
    const [name = '', ...more] = text.split('=');
    const given = more.join('=');
    if (name === 'expires') return [name, fromNow(Date.parse(given))];
    if (name === 'Max-Age') return [name, `${Math.round(Number(given) / 300) * 300} s`];
    return [name, more.length === 0 ? true : given];
  });
  const { body } = normal({ status: 200, headers: {}, body: value });
  return { name: pair.slice(0, at), value: body, attributes: Object.fromEntries(attributes) };
}
