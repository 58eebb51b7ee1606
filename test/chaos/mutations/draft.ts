import { mintRefresh } from '../../support/tokens.js';
import type {
  Attempt,
  BlacklistedRow,
  History,
  OutstandingRow,
  Rules,
  TokenPair,
  ViolationKind,
} from '../history.js';
import { claimsOf } from '../history-index.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A correct history that is about to be spoiled: everything may be written to. */
export interface Draft {
  readonly attempts: Writable<Attempt>[];
  readonly outstanding: Writable<OutstandingRow>[];
  readonly blacklisted: Writable<BlacklistedRow>[];
  readonly roots: ReadonlyMap<string, string>;
}

export interface Mutation {
  readonly name: string;
  /** What the checker has to say, at least. */
  readonly finds: ViolationKind;
  /** Where it makes a difference at all; everywhere where it is not given. */
  readonly grace?: 'on' | 'off';
  /** Spoils the history in one place; `pick` chooses it. Returns false where the history has no such place. */
  apply(draft: Draft, pick: <T>(from: readonly T[]) => T | undefined, rules: Rules): boolean;
}

export function mutate(
  { roots, attempts, rows }: History,
  mutation: Mutation,
  pick: <T>(from: readonly T[]) => T | undefined,
  rules: Rules,
): History | undefined {
  const draft: Draft = {
    roots,
    attempts: attempts.map((attempt) => ({ ...attempt })),
    outstanding: rows.outstanding.map((row) => ({ ...row })),
    blacklisted: rows.blacklisted.map((row) => ({ ...row })),
  };
  if (!mutation.apply(draft, pick, rules)) return undefined;
  return { roots, attempts: draft.attempts, rows: draft };
}

export const granted = ({ attempts }: Draft) => attempts.filter(({ status }) => status === 200);
export const sameToken = ({ attempts }: Draft, { jti }: Attempt) =>
  attempts.filter((attempt) => attempt.jti === jti);
export const rowOf = ({ outstanding }: Draft, jti: string | undefined) =>
  outstanding.find((row) => row.jti === jti);
export const blacklistedOf = (draft: Draft, jti: string | undefined) =>
  draft.blacklisted.find(({ tokenId }) => tokenId === rowOf(draft, jti)?.id);
export const live = (draft: Draft) =>
  draft.outstanding.filter(({ jti }) => blacklistedOf(draft, jti) === undefined);
/** Answers 200 to a token that was answered 200 more than once. */
export const repeated = (draft: Draft) =>
  granted(draft).filter((attempt) =>
    granted(draft).some((other) => other !== attempt && other.jti === attempt.jti),
  );

export function remove<T>(from: T[], item: T | undefined): boolean {
  if (item === undefined) return false;
  from.splice(from.indexOf(item), 1);
  return true;
}

export function change<T>(item: T | undefined, how: (item: T) => void): boolean {
  if (item === undefined) return false;
  how(item);
  return true;
}

export function add({ attempts }: Draft, like: Attempt, changes: Partial<Attempt>): void {
  const sentAtMs = changes.sentAtMs ?? like.sentAtMs;
  attempts.push({ ...like, requestId: attempts.length, endedAtMs: sentAtMs + 5, ...changes });
}

export function reminted(token: string, changes: Record<string, unknown>, tokenType = 'refresh'): string {
  const claims = claimsOf(token)!;
  const iatSeconds = Number(claims['iat']);
  return mintRefresh({
    tokenType,
    jti: String(claims['jti']),
    userId: Number(claims['user_id']),
    iatSeconds,
    lifetimeSeconds: Number(claims['exp']) - iatSeconds,
    claims: changes,
  }).token;
}

export const OTHER_JTI = 'f'.repeat(32);

/** Changes the answers of one token, all alike, so that they differ from the rest of the world alone. */
export function changePairs(
  draft: Draft,
  answer: Attempt | undefined,
  how: (pair: TokenPair) => TokenPair,
): boolean {
  if (answer?.pair === undefined) return false;
  const pair = how(answer.pair);
  for (const attempt of sameToken(draft, answer)) if (attempt.status === 200) attempt.pair = pair;
  return true;
}
