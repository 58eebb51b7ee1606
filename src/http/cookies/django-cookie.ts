/** `Set-Cookie` as Django's `set_cookie` and `delete_cookie` write it, with the attributes in their order (django/http/response.py). */
export interface DjangoCookie {
  readonly name: string;
  readonly path: string;
  /** Undefined: this host alone. */
  readonly domain: string | undefined;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly secure: boolean;
  readonly httpOnly: boolean;
}

/** @param endSeconds when the browser forgets it; undefined: when it is closed */
export function setCookie(
  cookie: DjangoCookie,
  value: string,
  endSeconds: number | undefined,
  nowMs: number,
): string {
  const maxAge = Math.max(0, (endSeconds ?? 0) - Math.floor(nowMs / 1000));
  return cookieText(cookie, value, endSeconds, maxAge);
}

export function deleteCookie(cookie: DjangoCookie): string {
  const secure = cookie.sameSite === 'None' || /^__(?:Secure|Host)-/.test(cookie.name);
  return cookieText({ ...cookie, secure, httpOnly: false }, '""', 0, 0);
}

function cookieText(
  { name, path, domain, sameSite, secure, httpOnly }: DjangoCookie,
  value: string,
  endSeconds: number | undefined,
  maxAge: number,
): string {
  const parts = [
    `${name}=${value}`,
    domain === undefined ? '' : `Domain=${domain}`,
    endSeconds === undefined ? '' : `expires=${new Date(endSeconds * 1000).toUTCString()}`,
    httpOnly ? 'HttpOnly' : '',
    endSeconds === undefined ? '' : `Max-Age=${maxAge}`,
    `Path=${path}`,
    `SameSite=${sameSite}`,
    secure ? 'Secure' : '',
  ];
  return parts.filter((part) => part !== '').join('; ');
}

/** All values of a name in a Cookie header, in their order, without quotes. */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = [];
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== name) continue;
    const value = pair.slice(at + 1).trim();
    values.push(value.replace(/^"(.*)"$/, '$1'));
  }
  return values;
}
