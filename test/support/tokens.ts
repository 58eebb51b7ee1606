import { createHmac, randomBytes, sign, type KeyObject } from 'node:crypto';
import pg from 'pg';
import { openClient } from './postgres.js';

/** The SECRET_KEY of every test: long enough for HS512, and known to the server, to Django and to the tests. */
export const TEST_SIGNING_KEY = 'test-signing-key-of-carelink-tokens-which-is-64-characters-long--';

/** The server's default lifetime of a refresh token: 12h. */
const LIFETIME_SECONDS = 12 * 3600;
/** Rows a statement: far below what makes PostgreSQL slow, far above what makes the round trips matter. */
const ROWS_A_STATEMENT = 10_000;

export interface MintOptions {
  readonly userId?: number | string;
  readonly jti?: string;
  readonly iatSeconds?: number;
  readonly lifetimeSeconds?: number;
  readonly tokenType?: string;
  /** Claims of the project's own, after simplejwt's. A value of undefined takes a claim out: `{ jti: undefined }`. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly key?: string;
  /** Signed with it (RS256), in place of `key`. */
  readonly privateKey?: KeyObject;
}

export interface MintedToken {
  readonly token: string;
  readonly jti: string;
  readonly userId: number | string;
  readonly iatSeconds: number;
  readonly expSeconds: number;
}

/** A refresh token as simplejwt makes it, byte for byte: header, order of the claims, a jti of 32 hex digits. */
export function mintRefresh(options: MintOptions = {}): MintedToken {
  const userId = options.userId ?? 1;
  const jti = options.jti ?? randomBytes(16).toString('hex');
  const iatSeconds = options.iatSeconds ?? Math.floor(Date.now() / 1000);
  const expSeconds = iatSeconds + (options.lifetimeSeconds ?? LIFETIME_SECONDS);
  const token_type = options.tokenType ?? 'refresh';
  const claims = { token_type, exp: expSeconds, iat: iatSeconds, jti, user_id: userId, ...options.claims };
  const { key, privateKey } = options;
  const token = privateKey === undefined ? signHs256(claims, key) : signRs256(claims, privateKey);
  return { token, jti, userId, iatSeconds, expSeconds };
}

function signHs256(claims: Readonly<Record<string, unknown>>, key: string = TEST_SIGNING_KEY): string {
  const signed = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

function signRs256(claims: Readonly<Record<string, unknown>>, key: KeyObject): string {
  const signed = `${base64url({ alg: 'RS256', typ: 'JWT' })}.${base64url(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

export interface DecodedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Reads a token without verifying it; throws where it is none. */
export function decodeToken(token: string): DecodedToken {
  const parts = token.split('.');
  if (parts.length !== 3) throw new Error(`not a compact JWS: ${String(parts.length)} parts`);
  const [header, claims] = parts
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  return { header, claims };
}

/**
 * Writes outstanding rows as simplejwt's `for_user` does (created_at = iat, expires_at = exp), in few statements.
 * Returns the rows' ids in the order of the tokens. Their users must exist; see `createUsers()`.
 */
export async function insertOutstanding(url: string, tokens: readonly MintedToken[]): Promise<string[]> {
  const client = await openClient(url);
  try {
    const ids: string[] = [];
    for (let at = 0; at < tokens.length; at += ROWS_A_STATEMENT) {
      ids.push(...(await insertSome(client, tokens.slice(at, at + ROWS_A_STATEMENT))));
    }
    return ids;
  } finally {
    await client.end();
  }
}

async function insertSome(client: pg.Client, tokens: readonly MintedToken[]): Promise<string[]> {
  // The type of user_id is the database's: unnest takes text, and the column's own type is cast to by name.
  const { rows: columns } = await client.query<{ type: string }>(
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = 'token_blacklist_outstandingtoken'::regclass AND attname = 'user_id'`,
  );
  const { rows } = await client.query<{ id: string; jti: string }>(
    `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
     SELECT t.token, to_timestamp(t.iat), to_timestamp(t.exp), t.user_id::${columns[0]!.type}, t.jti
       FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
            WITH ORDINALITY AS t(token, iat, exp, user_id, jti, n)
      ORDER BY t.n
     RETURNING id::text AS id, jti`,
    [
      tokens.map((t) => t.token),
      tokens.map((t) => t.iatSeconds),
      tokens.map((t) => t.expSeconds),
      tokens.map((t) => String(t.userId)),
      tokens.map((t) => t.jti),
    ],
  );
  // RETURNING promises no order, so the ids are put beside their tokens by jti.
  const idOf = new Map(rows.map((row) => [row.jti, row.id]));
  return tokens.map((token) => idOf.get(token.jti)!);
}

/** Mints one token for each of the users and writes its row: what a shift's log-ins leave behind. */
export async function issueTokens(
  url: string,
  userIds: readonly (number | string)[],
  options: Omit<MintOptions, 'userId' | 'jti'> = {},
): Promise<MintedToken[]> {
  const tokens = userIds.map((userId) => mintRefresh({ ...options, userId }));
  await insertOutstanding(url, tokens);
  return tokens;
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
