import type { TokenCodec } from '../jwt/codec.js';
import { isRefusal, passwordHashIn, readSubject, seconds, type ClaimNames } from '../rotation/claims.js';
import { START, startOf } from '../rotation/session-start.js';
import type { PasswordHash } from '../store/password-hash.js';
import { encodable } from '../store/encoding.js';
import { fittingUserKey, type UserKeyType } from '../store/user-key.js';
import type { SampleRow } from './read-samples.js';

/** What a refresh, or a slide, would say of a token before it asks whether it was spent. */
export type Fate =
  | 'accepted'
  | 'unreadable'
  /** NaN or Infinity in a claim, as Python writes them. */
  | 'nan'
  | 'algorithm'
  | 'signature'
  | 'issuer'
  | 'audience'
  /** Made after the database's now. */
  | 'not_yet'
  /** A registered claim that can't be one: `exp` is no number, say. */
  | 'claims'
  | 'no_id'
  | 'bad_id'
  | 'no_type'
  | 'wrong_type'
  | 'no_refresh_exp'
  | 'bad_user'
  | 'user_unfit'
  /** The token names its user by another field than the one by which users are looked up. */
  | 'user_other'
  | 'inactive'
  | 'password_changed'
  /** The site's view has claims for its user that no token can hold. */
  | 'claims_unfit'
  | 'revoked';

/** A token of the table as checks judge it: nothing of it but its form. */
export interface TokenSample {
  readonly fate: Fate;
  readonly algorithm: string;
  readonly type: 'refresh' | 'sliding' | 'other';
  readonly userId: 'number' | 'text' | 'absent';
  /** `sub` is a number, which PyJWT refuses from 2.10 on. */
  readonly numericSub: boolean;
  /** Their names. */
  readonly claims: readonly string[];
  readonly audience: string | undefined;
  readonly issuer: string | undefined;
  /** A claim that looks like simplejwt's hash of the user's password. */
  readonly passwordClaim: { readonly name: string; readonly hash: PasswordHash } | undefined;
  readonly lifetimeSeconds: number | undefined;
  readonly issuedAtSeconds: number | undefined;
  readonly startSeconds: number | undefined;
  readonly createdUs: number | undefined;
  readonly expired: boolean;
  readonly spent: boolean | undefined;
  readonly ours: boolean;
}

/** Who the token is of, for a look at its user. */
export interface JudgedToken {
  readonly sample: TokenSample;
  readonly userKey: string | undefined;
  /** The hash of the user's password that it holds, where that is compared. */
  readonly passwordHash: string | undefined;
}

export interface SampleRules {
  /** Undefined: the keys can't be used. */
  readonly codec: TokenCodec | undefined;
  /** The same keys without audience and issuer: tells a wrong key from a wrong claim. */
  readonly signatures: TokenCodec | undefined;
  readonly algorithm: string;
  readonly issuer: string | undefined;
  readonly names: ClaimNames;
  readonly userKeyType: UserKeyType;
  /** As `server_encoding` names it. */
  readonly encoding: string;
  readonly nowUs: number;
}

type Json = Readonly<Record<string, unknown>>;

/** simplejwt writes an MD5 in upper-case hex, and a subclass may write SHA-256 or SHA-512; a jti is in lower case. */
const PASSWORD_HASH = /^(?:[0-9A-F]{32}|[0-9A-F]{64}|[0-9A-F]{128})$/;

const short = (text: string): string => text.slice(0, 60);

/** Runs a token of the table through what a refresh runs. Never throws for anything a token may hold. */
export async function judgeToken(row: SampleRow, rules: SampleRules): Promise<JudgedToken> {
  const parts = row.token.split('.');
  const [header, claims] = [jsonPart(parts[0]), jsonPart(parts[1])];
  const { fate, userKey } =
    header === undefined || claims === undefined
      ? { fate: isNotANumber(parts[1]) ? ('nan' as const) : ('unreadable' as const), userKey: undefined }
      : await fateOf(row, header, claims, rules);
  const told = claims ?? {};
  const [issuedAt, expiresAt] = [seconds(told['iat']), seconds(told['exp'])];
  const user = told[rules.names.userId];
  const type = told[rules.names.tokenType];
  const sample: TokenSample = {
    fate,
    algorithm: typeof header?.['alg'] === 'string' ? header['alg'].slice(0, 10) : 'nothing',
    type: type === 'refresh' || type === 'sliding' ? type : 'other',
    userId: typeof user === 'number' ? 'number' : typeof user === 'string' && user !== '' ? 'text' : 'absent',
    numericSub: typeof told['sub'] === 'number',
    claims: Object.keys(told).slice(0, 20).map(short),
    audience: textOf(told['aud']),
    issuer: textOf(told['iss']),
    passwordClaim: passwordClaimOf(told),
    lifetimeSeconds: issuedAt === undefined || expiresAt === undefined ? undefined : expiresAt - issuedAt,
    issuedAtSeconds: issuedAt,
    startSeconds: startOf(seconds(told[START]), issuedAt, expiresAt ?? 0),
    createdUs: row.created_us === null ? undefined : Number(row.created_us),
    expired: row.expired,
    spent: row.spent ?? undefined,
    ours: row.ours,
  };
  return { sample, userKey, passwordHash: passwordHashIn(told, rules.names) };
}

async function fateOf(
  { token, expired: rowExpired }: SampleRow,
  header: Json,
  claims: Json,
  rules: SampleRules,
): Promise<{ fate: Fate; userKey: string | undefined }> {
  const end = (fate: Fate, userKey?: string): { fate: Fate; userKey: string | undefined } => ({
    fate,
    userKey,
  });
  const { codec, signatures, nowUs, names } = rules;
  if (codec === undefined || signatures === undefined) return end('signature');
  if (header['alg'] !== rules.algorithm) return end('algorithm');
  // One that has expired is judged by the second in which it was issued: its keys are what is asked about.
  const issued = seconds(claims['iat']);
  const expired = rowExpired || (seconds(claims['exp']) ?? Infinity) * 1_000_000 <= nowUs;
  const atUs = expired && issued !== undefined ? issued * 1_000_000 : nowUs;
  const verdict = await codec.verify(token, atUs);
  if (!verdict.ok) {
    if ((await signatures.verify(token, atUs)).ok) {
      return end(rules.issuer !== undefined && claims['iss'] !== rules.issuer ? 'issuer' : 'audience');
    }
    const young = issued === undefined ? undefined : await signatures.verify(token, issued * 1_000_000);
    if (young?.ok === true)
      return end(issued !== undefined && issued * 1_000_000 > nowUs ? 'not_yet' : 'claims');
    // Signed, and without an iat that could be asked about: then expired is all that is known of it.
    return end(verdict.reason === 'invalid' ? 'signature' : 'claims');
  }
  const sliding = claims[names.tokenType] === 'sliding';
  const subject = readSubject(verdict.claims, names, sliding ? 'sliding' : 'refresh');
  if (isRefusal(subject)) {
    if (subject.kind === 'malformed') return end(subject.reason === 'no_exp' ? 'claims' : subject.reason);
    const id = claims[names.jti];
    return end(typeof id === 'string' && id !== '' && id.length <= 255 ? 'bad_user' : 'bad_id');
  }
  if (!encodable(rules.encoding, subject.jti)) return end('bad_id');
  if (sliding && claims[names.slidingEnd] === undefined) return end('no_refresh_exp');
  if (subject.userKey === undefined) return end('accepted');
  const userKey = fittingUserKey(rules, subject.userKey);
  return userKey === undefined ? end('user_unfit') : end('accepted', userKey);
}

const HASH_OF: ReadonlyMap<number, PasswordHash> = new Map([
  [32, 'md5'],
  [64, 'sha256'],
  [128, 'sha512'],
]);

function passwordClaimOf(claims: Json): TokenSample['passwordClaim'] {
  const name = Object.keys(claims).find((one) => PASSWORD_HASH.test(String(claims[one])));
  if (name === undefined) return undefined;
  return { name: short(name), hash: HASH_OF.get(String(claims[name]).length) ?? 'md5' };
}

function jsonPart(part: string | undefined): Json | undefined {
  return jsonText(Buffer.from(part ?? '', 'base64url').toString());
}

function jsonText(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** Python's json writes these three words where a number is none, and reads them; JSON has none of them. */
function isNotANumber(part: string | undefined): boolean {
  const text = Buffer.from(part ?? '', 'base64url').toString();
  return jsonText(text.replace(/([:,[]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, '$10')) !== undefined;
}

function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return short(typeof value === 'string' ? value : JSON.stringify(value));
}
