/** A URL that can't be used, in one sentence that names the part. */
export class UrlError extends Error {
  override readonly name = 'UrlError';
  /** It is about something else than PostgreSQL, and there is nothing to say of its parts. */
  readonly notPostgres: boolean;

  constructor(message: string, notPostgres = false) {
    super(message);
    this.notPostgres = notPostgres;
  }
}

/** Parameters by libpq's names (`host`, `dbname`, `sslmode`), as they were given. */
export type Given = ReadonlyMap<string, string>;

/**
 * `postgresql+psycopg2://`, as SQLAlchemy and Django's packages write it; an engine's whole name, as Django does. What
 * speaks PostgreSQL's protocol and isn't PostgreSQL has other tables behind it.
 */
const DIALECT =
  /^(?:jdbc:)?(?:django\.(?:db|contrib\.gis\.db)\.backends\.)?(?:postgres(?:ql)?|psql|pgsql|postgis|timescale(?:db|gis)?)(?:\+[\w.]+)?:\/\//i;

const ESCAPES = 'write / as %2F, @ as %40, : as %3A, ? as %3F, # as %23 and % as %25';
const SPECIAL = `its password or user name has a special character: ${ESCAPES}`;

/** @throws UrlError */
export function splitUrl(text: string): Given {
  const scheme = DIALECT.exec(text)?.[0];
  if (scheme === undefined) {
    throw new UrlError('it is no URL of PostgreSQL: write postgres://user:password@host:5432/database', true);
  }
  const rest = text.slice(scheme.length);
  const given = new Map<string, string>();
  const put = (name: string, value: string): void => {
    if (value !== '') given.set(name, value);
  };
  // As libpq finds it: user and password end at the first @, if no slash comes before.
  const at = /^[^@/]*@/.exec(rest)?.[0].length ?? 0;
  if (at > 0) {
    const [, user = '', , password = ''] = /^([^:]*)(:([^]*))?$/.exec(rest.slice(0, at - 1)) ?? [];
    put('user', decode(user, 'user name'));
    put('password', decode(password, 'password'));
  }
  const [, place = '', , path = '', , query = ''] =
    /^([^/?]*)(\/([^?]*))?(\?([^]*))?$/.exec(rest.slice(at)) ?? [];
  // The rest of a password with a slash in it becomes host and database. No database has such a name by chance.
  if (place.includes('@') || /[@/]/.test(path)) throw new UrlError(SPECIAL);
  putHosts(place, put);
  put('dbname', decode(path, 'database name'));
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 0) throw new UrlError('one of its parameters after ? has no value: write name=value');
    const name = decode(pair.slice(0, equals), 'list of parameters');
    // A later one is the one that counts.
    put(name, decode(pair.slice(equals + 1), `parameter ${shown(name)}`));
  }
  return given;
}

function putHosts(place: string, put: (name: string, value: string) => void): void {
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const one of place.split(',')) {
    const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(one) ?? [];
    if (bracketed === undefined && plain === '' && port === '' && one !== '') {
      throw new UrlError('its host cannot be read: an IPv6 address goes in brackets, as in [::1]:5432');
    }
    hosts.push(decode(bracketed ?? plain, 'host'));
    ports.push(port);
  }
  put('host', hosts.some((host) => host !== '') ? hosts.join(',') : '');
  put('port', ports.some((port) => port !== '') ? ports.join(',') : '');
}

/** Names come from the outside and are told back: a part of a password that was taken for one is not. */
export function shown(name: string): string {
  return /^\w{1,40}$/.test(name) ? name : 'of a strange name';
}

function decode(text: string, part: string): string {
  if (/%(?![0-9a-f]{2})/i.test(text)) {
    throw new UrlError(`its ${part} has a % that no two hexadecimal digits follow: ${ESCAPES}`);
  }
  let decoded;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new UrlError(
      `its ${part} has %XX that are not UTF-8: write each byte of the character in UTF-8, é as %C3%A9`,
    );
  }
  if (decoded.includes('\0')) throw new UrlError(`its ${part} has %00, which PostgreSQL takes nowhere`);
  return decoded;
}

/**
 * `host=db dbname='my app' password=a\'b`: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 *
 * @throws UrlError
 */
export function readKeywords(text: string): Given {
  const given = new Map<string, string>();
  const pair = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\[^])*)'|((?:[^\s'\\]|\\[^])(?:[^\s\\]|\\[^])*)?)(?=\s|$)\s*/y;
  do {
    const [whole, name = '', quoted, plain = ''] = pair.exec(text) ?? [];
    if (whole === undefined) {
      throw new UrlError(
        'it is no URL such as postgres://user:password@host:5432/database, and no list such as host=db dbname=app',
        true,
      );
    }
    const value = (quoted ?? plain).replace(/\\([^])/g, '$1');
    if (value !== '') given.set(name, value);
  } while (pair.lastIndex < text.length);
  return given;
}
