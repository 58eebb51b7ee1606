import type { Rotation } from './plan.js';

/** What a run's answers were, beside how long they took. */
export interface AnswerFacts {
  readonly rotation: Rotation;
  readonly users: number;
  readonly refreshes: number;
  readonly requests: number;
  readonly successes: number;
  readonly forks: number;
  /** Successes whose refresh token was the one that was sent. */
  readonly unrotated: number;
  /** Successes whose refresh token had just been given to another session. */
  readonly shared: number;
  readonly lostSessions: number;
  /** Sessions that were lost before, and that nobody was told of. */
  readonly endedInWarmUp: number;
  /** Answers that no client expects, by kind: `HTTP 429`, `ECONNRESET`. */
  readonly errors: ReadonlyMap<string, number>;
  /** Open loop only. */
  readonly offered: OfferedFacts | undefined;
}

export interface OfferedFacts {
  readonly perSecond: number;
  readonly achievedPerSecond: number;
  /** Refreshes that waited for a free session when the last one had come due. */
  readonly backlog: number;
  readonly waitMeanMs: number;
  /** From sent to answered. */
  readonly serviceMeanMs: number;
  /** What the server says that a refresh took; undefined: it doesn't tell. */
  readonly serverMeanMs: number | undefined;
}

export interface AnswerFault {
  /** `wrong`: not what a refresh is to be answered. The others: more was offered than came through. */
  readonly kind: 'wrong' | 'overloaded' | 'too_few_sessions';
  readonly because: string;
}

/** More than this share of a run is no accident, and a mean over the rest says nothing. */
const MAX_SHARE = 0.01;

/** The server's own time is at least this share of what a session waited, or it isn't the server that kept it. */
const MIN_OF_SERVICE = 0.5;

/** The first of what is wrong with the answers themselves, the worst first. Undefined: nothing is. Pure. */
export function judgeAnswers(facts: AnswerFacts): AnswerFault | undefined {
  const {
    rotation,
    users,
    refreshes,
    requests,
    successes,
    forks,
    unrotated,
    shared,
    lostSessions,
    endedInWarmUp,
  } = facts;
  const wrong = (because: string): AnswerFault => ({ kind: 'wrong', because });
  if (forks > 0 && rotation !== 'keep') {
    return wrong(`${forks} tokens were rotated twice, each with a successor of its own: families forked.`);
  }
  if (shared > MAX_SHARE * successes) {
    return wrong(
      `${shared} of ${successes} answers held a refresh token that another session had just been given: the target does not issue a token for each user.`,
    );
  }
  if (rotation !== 'off' && unrotated > MAX_SHARE * successes) {
    return wrong(
      `${unrotated} of ${successes} answers held no new refresh token: the target does not rotate. If it is not meant to, say --rotation off.`,
    );
  }
  const lost = lostSessions + endedInWarmUp;
  if (lost > MAX_SHARE * users) {
    const errors = facts.errors.size === 0 ? '' : ` (${listed(facts.errors)})`;
    const before = endedInWarmUp === 0 ? '' : ` ${endedInWarmUp} of them ended in the warm-up.`;
    return wrong(
      `${lost} times a session was refused for good and its user would have had to log in again${errors}.${before}`,
    );
  }
  const unexpected = [...facts.errors.values()].reduce((sum, count) => sum + count, 0);
  if (unexpected > MAX_SHARE * requests) {
    return wrong(
      `${unexpected} of ${requests} requests were not answered with a refreshed token (${listed(facts.errors)}).${throttled(facts.errors)}`,
    );
  }
  return facts.offered === undefined ? undefined : judgeOffered(facts.offered, users, refreshes);
}

function judgeOffered(offered: OfferedFacts, users: number, refreshes: number): AnswerFault | undefined {
  const { perSecond, achievedPerSecond, backlog, waitMeanMs, serviceMeanMs, serverMeanMs } = offered;
  if (backlog <= MAX_SHARE * refreshes) return undefined;
  const reached = `Of ${figure(perSecond)} refreshes/s that were offered ${figure(achievedPerSecond)}/s were reached. ${backlog} still waited for one of ${users} sessions when the time was up; a wait took ${figure(waitMeanMs)} ms.`;
  if (serverMeanMs !== undefined && serverMeanMs < MIN_OF_SERVICE * serviceMeanMs) {
    const enough = Math.ceil((perSecond * serviceMeanMs) / 1_000);
    return {
      kind: 'too_few_sessions',
      because: `${reached} Most of the ${figure(serviceMeanMs)} ms that a session was busy passed outside the server (${figure(serverMeanMs)} ms): give at least --users ${enough}, or load from a machine that is nearer.`,
    };
  }
  return { kind: 'overloaded', because: `${reached} The target is overloaded at this rate.` };
}

function listed(errors: ReadonlyMap<string, number>): string {
  return [...errors]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind}: ${count}`)
    .join(', ');
}

function throttled(errors: ReadonlyMap<string, number>): string {
  return errors.has('HTTP 429')
    ? ' A throttle answers 429, and so does a token that is in flight twice.'
    : '';
}

function figure(value: number): string {
  return value.toFixed(value >= 10 ? 0 : 1);
}
