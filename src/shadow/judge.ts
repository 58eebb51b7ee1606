import type { RouteName } from '../observe/requests.js';
import type { Log } from '../observe/log.js';
import { describeError } from '../observe/errors.js';
import type { Moment, Preview } from '../rotation/preview.js';
import { answerOf, textOf, type Answer } from './answer.js';
import { compare } from './compare.js';
import { tokenIn } from './compare-tokens.js';
import type { Difference } from './differences.js';
import { mayHoldToken, takenElsewhere } from './elsewhere.js';
import { expected, type ExpectedParts } from './expected.js';
import type { Answered } from './passing.js';
import type { Asked, Ticket, Witness } from './proxy.js';
import { redacted } from './redact.js';
import type { Report } from './report.js';
import type { Request, Rules } from './rules.js';
import { verdictOn, type Mark } from './verdict.js';

export interface JudgeOptions extends ExpectedParts {
  /** The endpoint at each path, with and without its last slash. */
  readonly routes: ReadonlyMap<string, RouteName>;
  readonly rules: Rules;
  readonly preview: (moment: Moment) => Preview;
  /** Undefined: nothing is known of how the database stood before now. */
  readonly mark: () => Mark | undefined;
  /** Now, by the database's clock, in microseconds. */
  readonly nowUs: () => number;
  readonly monotonicMs: () => number;
  readonly report: Report;
  readonly log: Log;
}

/** Requests that are on their way through, and kept to be judged: a bound of memory. */
const MOST_OPEN = 4_000;

/** Answers that wait to be judged. Judging some thousands a second, it is never behind by a second. */
const MOST_WAITING = 1_000;

/** Judged at a time: they share statements. */
const MOST_AT_ONCE = 100;

/** Of the time that a judgement may take, from Django's answer on. */
const DEADLINE_MS = 3_000;

/** So many tokens, and none that says otherwise, until what a log-out can do as well is put down to a setting. */
const ENOUGH = 3;

interface Job {
  readonly route: RouteName | undefined;
  readonly asked: Asked;
  readonly answered: Answered;
  readonly arrivedAtUs: number;
  readonly answeredAtUs: number;
  readonly deadlineMs: number;
  readonly mark: Mark | undefined;
}

/**
 * Judges what passes: what this server would have answered, and whether that is what Django answered. It begins when Django's
 * answer has left, and nothing waits for it: what it can't do in time is dropped, and counted.
 *
 * It looks at the rows once, after the answer. What was true of them then was true while Django looked, if it stood before
 * the request came: that is asked (`Mark`) before a difference counts that rests on rows. So no race is ever a difference.
 */
export class Judge implements Witness {
  readonly #options: JudgeOptions;
  readonly #waiting: Job[] = [];
  #open = 0;
  #running = 0;
  #spent = 0;
  #kept = 0;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  arrived(method: string, path: string, headers: Asked['headers']): Ticket | undefined {
    const { routes, report, mark, nowUs } = this.#options;
    const route = routes.get(path);
    // The answer to HEAD has nothing to be compared.
    if (route === undefined ? !mayHoldToken(method, headers) : method === 'HEAD') return undefined;
    if (this.#open >= MOST_OPEN) {
      if (route !== undefined) report.dropped('full');
      return undefined;
    }
    this.#open += 1;
    const arrivedAtUs = nowUs();
    const marked = route === undefined ? undefined : mark();
    return {
      answered: (asked, answered) => this.#take({ route, asked, answered, arrivedAtUs, mark: marked }),
      closed: () => void (this.#open -= 1),
    };
  }

  onPassed(): void {
    this.#options.report.passed();
  }

  onUnanswered(why: 'upstream' | 'client'): void {
    this.#options.report.unanswered(why);
  }

  /** Judged now, or waiting for it. */
  get owed(): number {
    return this.#waiting.length + this.#running;
  }

  #take(job: Omit<Job, 'answeredAtUs' | 'deadlineMs'>): void {
    const { report, nowUs, monotonicMs } = this.#options;
    if (this.#waiting.length >= MOST_WAITING) {
      if (job.route !== undefined) report.dropped('full');
      return;
    }
    this.#waiting.push({ ...job, answeredAtUs: nowUs(), deadlineMs: monotonicMs() + DEADLINE_MS });
    // After the answer that has just been given to its socket has left.
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    if (this.#running >= MOST_AT_ONCE) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running += 1;
    void this.#judge(job).finally(() => {
      this.#running -= 1;
      if (this.#waiting.length > 0) setImmediate(this.#next);
    });
  };

  async #judge(job: Job): Promise<void> {
    const { report, monotonicMs, log } = this.#options;
    try {
      if (monotonicMs() > job.deadlineMs) {
        if (job.route !== undefined) report.dropped('late');
        return;
      }
      const django = readAnswer(job.answered);
      if (job.route === undefined) {
        const taken = django && takenElsewhere(job.asked, django);
        if (taken !== undefined) report.different(nameOf(job.asked), [taken]);
      } else if (django === undefined) report.undecided('unreadable');
      else if (django.status >= 500) report.undecided('django_failed');
      else if (!isOtherForm(job.asked, django)) await this.#hold(job, job.route, django);
    } catch (error) {
      report.dropped('failed');
      log.warn('shadow_not_judged', describeError(error));
    }
  }

  async #hold(job: Job, route: RouteName, django: Answer): Promise<void> {
    const { report, rules, preview } = this.#options;
    const { asked, arrivedAtUs, deadlineMs } = job;
    const request = requestOf(job, route, django);
    const look = preview({ arrivedAtUs, deadlineMs });
    const verdict = await verdictOn({
      arrivedAtUs,
      look,
      would: (asUnspent) => expected({ route, ...asked }, look.service(asUnspent), this.#options),
      differing: (ours) => compare(django, ours, rules, request),
      mark: job.mark,
    });
    switch (verdict.kind) {
      case 'unavailable':
        report.dropped('database');
        break;
      case 'undecided':
        report.undecided(verdict.why);
        break;
      case 'compared': {
        const spending = await this.#spending(job, route, django, look);
        const found = [...verdict.found.map((one) => withSpending(one, look)), ...spending];
        if (found.length === 0) report.same(verdict.raced);
        else report.different(nameOf(asked), found);
      }
    }
  }

  /** Whether a token that Django rotated is blacklisted now, as it would be here. */
  async #spending(job: Job, route: RouteName, django: Answer, look: Preview): Promise<Difference[]> {
    const { rules } = this.#options;
    const { rotation, tokenTables } = rules.settings;
    if (route !== 'refresh' || !tokenTables || look.state === undefined) return [];
    if (django.status !== 200 || tokenIn(django, 'refresh', rules) === undefined) return [];
    const { row } = look.state;
    // A row that is gone, as with its user, says nothing.
    if (row === undefined) return [];
    const isSpent = row.blacklistedAtUs !== undefined;
    if (isSpent) this.#spent += 1;
    else this.#kept += 1;
    if (rotation === 'on' && !isSpent) {
      const stood = look.asked && (await job.mark?.(look.asked));
      if (stood === undefined || stood.isStandby) return [];
      return [
        { code: 'spends', django: 'does not blacklist the token', here: 'would', mend: '--rotation keep' },
      ];
    }
    // A log-out at the same moment does it, too: it is a setting where no token stays good.
    const isSetting = rotation === 'keep' && isSpent && this.#kept === 0 && this.#spent >= ENOUGH;
    return isSetting
      ? [{ code: 'spends', django: 'blacklists the token', here: 'would not', mend: '--rotation on' }]
      : [];
  }
}

/** Whether Django rotates with blacklisting or without is to be seen in the token's row. */
function withSpending(difference: Difference, { state }: Preview): Difference {
  if (difference.code !== 'rotation' || difference.mend !== '--rotation on' || state === undefined)
    return difference;
  return state.row?.blacklistedAtUs === undefined ? { ...difference, mend: '--rotation keep' } : difference;
}

function readAnswer({ status, headers, body }: Answered): Answer | undefined {
  if (body === undefined) return undefined;
  const { headers: read } = answerOf(status, headers, '');
  const text = textOf(body, read.get('content-encoding'));
  return text === undefined ? undefined : answerOf(status, headers, text);
}

/** Here an endpoint is at its path with and without the last slash; at Django's it is at one of them, and nobody misses the other. */
function isOtherForm({ path }: Asked, { status }: Answer): boolean {
  return !path.endsWith('/') && (status === 404 || (status >= 300 && status < 400));
}

/** The times are the widest by either clock, the database's and that of Django's Date. */
function requestOf({ asked, arrivedAtUs, answeredAtUs }: Job, route: RouteName, django: Answer): Request {
  const { method, path, headers } = asked;
  const [fromSeconds, toSeconds] = [arrivedAtUs / 1e6, answeredAtUs / 1e6];
  const tookSeconds = toSeconds - fromSeconds;
  const date = Date.parse(django.headers.get('date') ?? '') / 1000;
  const dated = Number.isNaN(date) ? toSeconds : date;
  return {
    route,
    method,
    path,
    origin: headers.origin,
    isPreflight: method === 'OPTIONS' && headers['access-control-request-method'] !== undefined,
    requestHeaders: (headers['access-control-request-headers'] ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    fromSeconds: Math.min(fromSeconds, dated - tookSeconds),
    toSeconds: Math.max(toSeconds, dated + 1),
  };
}

function nameOf({ method, path }: Pick<Asked, 'method' | 'path'>): string {
  return redacted(`${method} ${path}`);
}
