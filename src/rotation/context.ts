import type { Chain } from './chain.js';
import type { ClaimNames, Subject } from './claims.js';
import type { DoubtfulClaims } from './doubtful-claims.js';
import type { EventSink } from './events.js';
import { isSessionOver, type Lifetimes } from './lifetimes.js';
import type { Refusal } from './outcomes.js';
import type { Rotation } from './policy.js';
import type {
  Codec,
  CodecVerdict,
  DatabaseClock,
  History,
  Outbox,
  Reissues,
  TokenCache,
  TokenStore,
} from './ports.js';
import type { Revocations } from './revocation-ports.js';
import { isRefusal, readSubject, withSubAsText } from './claims.js';
import { StoreUnavailableError } from './ports.js';
import type { RateLimit } from './rate-limit.js';
import type { Added } from './session-start.js';
import type { Walks } from './walks.js';

export interface RotationSettings extends Lifetimes, Added {
  readonly names: ClaimNames;
  /** An integer `sub` is written as text. */
  readonly subAsText?: boolean;
  readonly rotation: Rotation;
  /** False: the site has no blacklist app, so nothing can be logged out by token. */
  readonly tokenTables: boolean;
  /** Whether `verify/` refuses blacklisted tokens: not every site's does. */
  readonly verifyBlacklist: boolean;
  /** 0: a repeat of a rotated token is refused. */
  readonly graceUs: number;
  readonly onReuse: 'reject' | 'revoke-family' | 'revoke-user';
  readonly requestTimeoutMs: number;
  /** Undefined: clients keep a refresh token however long it is. */
  readonly maxSuccessorBytes?: number | undefined;
}

/** All that the four operations work with. */
export interface RotationContext {
  readonly settings: RotationSettings;
  readonly codec: Codec;
  readonly chain: Chain;
  readonly store: TokenStore;
  readonly revocations: Revocations;
  readonly cache: TokenCache;
  /** Undefined where no cache is shared: nothing is claimed but in the database. */
  readonly outbox: Outbox | undefined;
  /** For policies that answer without spending a token; undefined where there is none. */
  readonly reissuing: { readonly store: Reissues; readonly freshId: () => string } | undefined;
  readonly doubtful: DoubtfulClaims;
  /** By user; undefined: everybody may refresh as often as they like. */
  readonly throttle?: RateLimit | undefined;
  readonly walks: Walks;
  readonly clock: DatabaseClock;
  /** Undefined: nothing can be lost of it but by this process's own hands. */
  readonly history?: History | undefined;
  readonly emit: EventSink;
  /** `performance.now()`: a clock that no one sets back. */
  readonly monotonicMs: () => number;
}

/** What is told to a client that came while a store was down: a second is about what a reconnect takes. */
export const RETRY_AFTER_SECONDS = 1;

export const UNAVAILABLE: Refusal = { kind: 'unavailable', retryAfterSeconds: RETRY_AFTER_SECONDS };

/** The work's outcome; of a store that is down, that. What else is thrown means broken code, and goes on. */
export async function orUnavailable<Outcome>(work: () => Promise<Outcome>): Promise<Outcome | Refusal> {
  try {
    return await work();
  } catch (error) {
    return unavailableBy(error);
  }
}

/** @throws whatever doesn't say that a store is down */
export function unavailableBy(error: unknown): Refusal {
  if (error instanceof StoreUnavailableError) return UNAVAILABLE;
  throw error;
}

/**
 * Goes on at once where there is nothing to wait for. HMACs and this process's own cache are there when they are asked:
 * a promise and a turn of the microtask queue for each such step were a twentieth of a refresh.
 */
export function onceKnown<A, B>(value: A | Promise<A>, use: (value: A) => B): B | Promise<B> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/**
 * The work's result, unless the deadline passes first. A revocation that is given up waiting for ends by itself: no more
 * of a walk is sent, and revoking a user comes to its end.
 *
 * @throws StoreUnavailableError when the deadline passes
 */
export async function before<T>(
  { monotonicMs }: Pick<RotationContext, 'monotonicMs'>,
  deadlineMs: number,
  work: Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new StoreUnavailableError('the deadline passed')),
      Math.max(0, deadlineMs - monotonicMs()),
    );
  });
  try {
    return await Promise.race([work, passed]);
  } finally {
    clearTimeout(timer);
  }
}

const SESSION_OVER: Refusal = { kind: 'invalid', reason: 'expired' };

/** As `identify`; a token of a session that may last no longer is as good as expired. */
export function identifyLive(
  context: RotationContext,
  token: string,
  type: 'refresh' | 'sliding' | 'any',
  nowUs: number,
): Subject | Refusal | Promise<Subject | Refusal> {
  const identified = identify(context, token, type, nowUs);
  if (context.settings.sessionLifetimeSeconds === undefined) return identified;
  return onceKnown(identified, (read) =>
    !isRefusal(read) && isSessionOver(context.settings, read, nowUs) ? SESSION_OVER : read,
  );
}

/** Verifies a token of the given type and reads who and what it is, or says why it is refused. */
export function identify(
  context: RotationContext,
  token: string,
  type: 'refresh' | 'sliding' | 'any',
  nowUs: number,
): Subject | Refusal | Promise<Subject | Refusal> {
  return onceKnown(context.codec.verify(token, nowUs), (verdict) => subjectOf(context, verdict, type));
}

function subjectOf(
  context: RotationContext,
  verdict: CodecVerdict,
  type: 'refresh' | 'sliding' | 'any',
): Subject | Refusal {
  if (!verdict.ok) {
    const { reason } = verdict;
    return reason === 'no_exp' ? { kind: 'malformed', reason } : { kind: 'invalid', reason };
  }
  const claims = context.settings.subAsText === true ? withSubAsText(verdict.claims) : verdict.claims;
  const subject = readSubject(claims, context.settings.names, type);
  if (isRefusal(subject)) return subject;
  // No row can have an id that the database can't write: it would fail the whole batch that looks for it.
  if (!context.store.canHold(subject.jti)) return { kind: 'invalid', reason: 'invalid' };
  if (subject.userKey === undefined) return subject;
  const userKey = context.store.canonicalUserKey(subject.userKey);
  // Django answers 500 where the user id doesn't fit the column; such a token is of no user of ours.
  if (userKey === undefined) return { kind: 'invalid', reason: 'invalid' };
  return userKey === subject.userKey ? subject : { ...subject, userKey };
}
