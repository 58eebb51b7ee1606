import { createHmac } from 'node:crypto';
import { query } from '../../support/postgres.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY, type MintOptions } from '../../support/tokens.js';

/** What a case of the matrix can ask for. Every token is a fresh one, since each side spends its own. */
export interface World {
  /** A refresh token of an active user, with its outstanding row. */
  refresh(options?: MintOptions): Promise<string>;
  /** The same without a row, as simplejwt 5.2 hands out successors. */
  unrecorded(options?: MintOptions): string;
  /** A refresh token (or another type) that was logged out. */
  blacklisted(options?: MintOptions): Promise<string>;
  access(options?: MintOptions): string;
  /** A sliding token with its row. */
  sliding(options?: MintOptions): Promise<string>;
  readonly inactiveUser: number;
  readonly unknownUser: number;
}

export interface Users {
  readonly active: number;
  readonly inactive: number;
  readonly unknown: number;
}

const HOUR = 3600;

export interface Surroundings {
  /** Without simplejwt's app there are no rows: a token is what it says of itself, and nobody can log it out. */
  readonly app: boolean;
  /** Of the users' password, where tokens carry it. */
  readonly hash: string | undefined;
}

export function world(
  database: string,
  users: Users,
  { app, hash }: Surroundings = { app: true, hash: undefined },
): World {
  const marked = hash === undefined ? {} : { hash_password: hash };
  const mint = ({ claims, ...options }: MintOptions = {}) =>
    mintRefresh({ userId: users.active, ...options, claims: { ...marked, ...claims } });
  const recorded = async (options: MintOptions) => {
    const token = mint(options);
    const [id] = app ? await insertOutstanding(database, [token]) : [];
    return { id, token: token.token };
  };
  return {
    inactiveUser: users.inactive,
    unknownUser: users.unknown,
    refresh: async (options = {}) => (await recorded(options)).token,
    unrecorded: (options) => mint(options).token,
    access: (options) => mint({ tokenType: 'access', lifetimeSeconds: 900, ...options }).token,
    async blacklisted(options = {}) {
      const { id, token } = await recorded(options);
      if (!app) return token;
      const insert = `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) VALUES ($1, now())`;
      await query(database, insert, [id]);
      return token;
    },
    async sliding(options = {}) {
      const { claims, ...rest } = options;
      const refresh_exp = nowSeconds() + 12 * HOUR;
      const sliding = { tokenType: 'sliding', lifetimeSeconds: 900, claims: { refresh_exp, ...claims } };
      return (await recorded({ ...sliding, ...rest })).token;
    },
  };
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** Signs any text as header and payload: what no JSON library would write can be sent, too. */
export function signText(
  header: string,
  payload: string | Buffer,
  hash = 'sha256',
  key = TEST_SIGNING_KEY,
): string {
  const signed = `${base64url(header)}.${base64url(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}

/** A payload of simplejwt's with some claims in the words given, or without them where the words are undefined. */
export function payloadText(literals: Readonly<Record<string, string | undefined>>): string {
  const now = nowSeconds();
  const claims: Record<string, string | undefined> = {
    token_type: '"refresh"',
    exp: String(now + HOUR),
    iat: String(now),
    jti: JSON.stringify(mintRefresh().jti),
    user_id: '1',
    ...literals,
  };
  const members = Object.entries(claims).filter(([, literal]) => literal !== undefined);
  return `{${members.map(([name, literal]) => `"${name}":${literal}`).join(',')}}`;
}

export const HS256 = '{"alg":"HS256","typ":"JWT"}';

export function base64url(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}
