import type { RotationContext } from './context.js';
import { acrossGap, mayGoOnBeyond } from './gap.js';
import { StoreUnavailableError, type TokenKey } from './ports.js';
import type { FoundToken, Revoking } from './revocation-ports.js';
import { sweep } from './sweep.js';
import type { Trails } from './trails.js';
import { GivenUp, WalkTime } from './walk-time.js';

/** Descendants looked up at once, all of them: a shift's worth of 15-minute refreshes fits in one look-up. */
const WINDOW = 64;

/** Where another walk ended nothing follows, as a rule. */
const SHORT_WINDOW = 4;

/** Beyond a full window only every so many are looked up: what lies between two that stand, stands or stood. */
const STRIDE = 64;

/**
 * A long family is looked along in leaps, each four times the one before: 64, 256, 1,024 and 4,096 generations, from
 * there by 4,096. So at most 4,096 ids (12 ms) are computed in vain.
 */
const FIRST_LEAP = 3 * WINDOW;
const LONGEST_LEAP = 64 * WINDOW;

/** 16,384 generations: hours of a client that refreshes every second. Beyond it the user is revoked instead. */
const MAX_GENERATIONS = 256 * WINDOW;

/** Each look goes on where the one before ended. More are needed where the chain key changed back and forth. */
const MAX_LOOKS = 256;

/**
 * How a walk ended.
 *
 * - `tip`: the last one was unspent until now and can't be claimed any more: nothing follows it.
 * - `closed_elsewhere`: the last one had been blacklisted, and nothing derived follows it.
 * - `broken`: what follows can't be found; the user is to be revoked.
 */
export interface WalkEnd {
  readonly end: 'tip' | 'closed_elsewhere' | 'broken';
  /** Blacklisted by this walk; one of them only perhaps, where an answer was lost. */
  readonly rows: number;
  /** Lets the next walk of this family begin where this one ended; to be called once all that it passed is closed. */
  readonly remember: () => void;
}

/** What a walk works with. */
export interface WalkContext extends Pick<RotationContext, 'chain'> {
  readonly revocations: Revoking;
  readonly trails: Trails;
  /**
   * How long a successor lives that is made now. Where a token was spent so long ago, its successor's row may have been
   * deleted. Infinity: not known.
   */
  readonly successorLifeSeconds: number;
  /** `performance.now()` by which it must have ended. */
  readonly giveUpMs: number;
  readonly monotonicMs: () => number;
  /** Called once, before a walk does more than a few look-ups. It may take its time, or throw. */
  readonly beforeLongWay: () => Promise<void>;
}

/**
 * Blacklists what was derived from a token, to the tip of its family, beside rotations that go on meanwhile.
 *
 * A rotation in flight either loses its row to us, or wins it and leaves a successor that the next look-up sees, for claim
 * and successor are written in one statement (rule 8). The tip comes first; what was passed on the way is spent as a
 * rule, and looked at when the tip is closed: a failover that lost commits may have made rows of it live again.
 *
 * @throws StoreUnavailableError
 */
export function walkFamily(context: WalkContext, subject: TokenKey): Promise<WalkEnd> {
  return new Walk(context, subject).run();
}

class Walk {
  readonly #context: WalkContext;
  readonly #subject: TokenKey;
  readonly #time: WalkTime;
  #at: string;
  #rows = 0;
  #generations = 0;
  /** Looks that were answered. */
  #looks = 0;
  #longWay = false;
  /** Passed and not looked at, in order. */
  #passed: string[] = [];
  /** The last that was looked at before the first that was passed. */
  #witness: string | undefined;
  /** `at` is where another walk ended. */
  #jumped = false;

  constructor(context: WalkContext, subject: TokenKey) {
    this.#context = context;
    this.#subject = subject;
    this.#time = new WalkTime(context);
    this.#at = subject.jti;
    this.#jump(subject.jti);
  }

  async run(): Promise<WalkEnd> {
    let end: WalkEnd['end'];
    try {
      end = await this.#findEnd();
    } catch (error) {
      if (!(error instanceof GivenUp)) throw error;
      // Nothing was seen of it, for others took the time; or there is no user to be revoked: the next try has to find it.
      if (this.#looks === 0 || this.#subject.userKey === undefined)
        throw new StoreUnavailableError('a family was not followed in time');
      end = 'broken';
    }
    // Of a user who is revoked all rows are closed.
    if (end !== 'broken') await this.#sweep();
    return { end, rows: this.#rows, remember: () => this.#remember(this.#passed, this.#at) };
  }

  async #findEnd(): Promise<WalkEnd['end']> {
    const { chain, revocations } = this.#context;
    while (this.#looks < MAX_LOOKS && this.#generations < MAX_GENERATIONS) {
      const window = this.#jumped ? SHORT_WINDOW : WINDOW;
      const { self, line, keyIndex } = await this.#lookAhead(window);
      if (this.#jumped && self?.blacklisted !== true) {
        // A restore took rows back: the whole way, as if for the first time.
        this.#startOver();
        continue;
      }
      const standing = self === undefined ? line : [self, ...line];
      const last = standing.at(-1);
      const open = standing.filter((token) => !token.blacklisted).map((token) => token.id);
      if (open.length > 0) {
        const { won, perhaps } = await this.#time.ask((deadlineMs) =>
          revocations.blacklistRows(open, deadlineMs),
        );
        this.#rows += perhaps ? Math.max(1, won.size) : won.size;
        if (last !== undefined && won.has(last.id)) {
          this.#at = last.jti;
          return 'tip';
        }
      }
      if (last?.blacklisted === false) {
        // Somebody claimed it meanwhile: its successor stands now.
        this.#at = last.jti;
        this.#jumped = false;
        continue;
      }
      // Under one key, a spent one without a successor in the same look has none: both would have come in one statement.
      const isLast = chain.keys === 1 && last?.blacklisted === true && line.length < window;
      if (last === undefined || line.length === 0 || isLast) {
        if (last !== undefined) this.#at = last.jti;
        const beyond = await this.#lookBeyond(last);
        if (beyond === undefined) continue;
        return beyond;
      }
      this.#at = last.jti;
      this.#jumped = false;
      this.#generations += line.length;
      if (line.length === WINDOW) await this.#leap(keyIndex);
    }
    return 'broken';
  }

  /** The token that was reached, and those after it that stand without a gap, under the key that reaches furthest. */
  async #lookAhead(
    window: number,
  ): Promise<{ self: FoundToken | undefined; line: FoundToken[]; keyIndex: number }> {
    const { chain, revocations } = this.#context;
    const lines = chain.descendantsOf(this.#at, window);
    const rows = await this.#time.ask((deadlineMs) =>
      revocations.find([this.#at, ...lines.flat()], deadlineMs),
    );
    this.#looks++;
    const found = new Map(rows.map((token) => [token.jti, token]));
    return { self: found.get(this.#at), ...longestLine(lines, found) };
  }

  /** Goes on to the furthest of every so many that stands, or to where an earlier walk ended. */
  async #leap(keyIndex: number): Promise<void> {
    const { chain, revocations } = this.#context;
    await this.#begin();
    this.#witness ??= this.#at;
    for (let length = FIRST_LEAP; ; length = Math.min(4 * length, LONGEST_LEAP)) {
      const room = MAX_GENERATIONS - this.#generations;
      if (room < STRIDE) return;
      const way = await this.#time.compute(chain, this.#at, Math.min(length, room), keyIndex, (jti) =>
        this.#jump(jti),
      );
      if (this.#jumped) {
        this.#pass(way);
        return;
      }
      const samples = way.filter((_, index) => index % STRIDE === STRIDE - 1);
      const found = new Set(
        (await this.#time.ask((deadlineMs) => revocations.find(samples, deadlineMs))).map(({ jti }) => jti),
      );
      const furthest = way.findLastIndex((jti) => found.has(jti));
      if (furthest < 0) return;
      this.#pass(way.slice(0, furthest + 1));
      this.#at = way[furthest] ?? this.#at;
      if (furthest < way.length - 1) return;
    }
  }

  /** Goes on where the family does, or tells how the walk ends. */
  async #lookBeyond(last: FoundToken | undefined): Promise<'closed_elsewhere' | 'broken' | undefined> {
    if (last !== undefined && !mayGoOnBeyond(last, this.#context.successorLifeSeconds))
      return 'closed_elsewhere';
    const room = MAX_GENERATIONS - this.#generations;
    const beyond = await acrossGap(this.#context, this.#time, {
      userKey: this.#subject.userKey,
      from: this.#at,
      room,
      begin: () => this.#begin(),
    });
    if (beyond.kind !== 'found') return beyond.kind;
    this.#passed.push(...beyond.jtis);
    this.#at = beyond.jtis.at(-1) ?? this.#at;
    return undefined;
  }

  /** What of it was closed by then is remembered if the time is up first. */
  async #sweep(): Promise<void> {
    const passed = { jtis: this.#passed, userKey: this.#subject.userKey, witness: this.#witness };
    let closed = 0;
    try {
      this.#rows += await sweep(this.#context, this.#time, passed, (tokens) => (closed = tokens));
    } catch (error) {
      const some = this.#passed.slice(0, closed);
      this.#remember(some, some.at(-1));
      if (error instanceof GivenUp) throw new StoreUnavailableError('a family could not be closed in time');
      throw error;
    }
  }

  #remember(passed: readonly string[], last: string | undefined): void {
    if (passed.length === 0 || last === undefined) return;
    this.#context.trails.remember(this.#subject.jti, passed, last);
  }

  #pass(jtis: readonly string[]): void {
    for (const jti of jtis) this.#passed.push(jti);
    this.#generations += jtis.length;
  }

  /** To the end of an earlier walk, if one passed this token. */
  #jump(jti: string): boolean {
    const last = this.#context.trails.after(jti);
    if (last === undefined) return false;
    this.#at = last;
    this.#jumped = true;
    return true;
  }

  #startOver(): void {
    this.#context.trails.forget(this.#at);
    this.#context.trails.forget(this.#subject.jti);
    this.#at = this.#subject.jti;
    this.#jumped = false;
    this.#passed = [];
    this.#witness = undefined;
    this.#generations = 0;
  }

  async #begin(): Promise<void> {
    if (this.#longWay) return;
    this.#longWay = true;
    await this.#context.beforeLongWay();
  }
}

/** The tokens that stand without a gap from the first on, under the chain key that reaches furthest. */
export function longestLine(
  lines: readonly (readonly string[])[],
  found: ReadonlyMap<string, FoundToken>,
): { line: FoundToken[]; keyIndex: number } {
  let longest: { line: FoundToken[]; keyIndex: number } = { line: [], keyIndex: 0 };
  for (const [keyIndex, jtis] of lines.entries()) {
    const line: FoundToken[] = [];
    for (const jti of jtis) {
      const token = found.get(jti);
      if (token === undefined) break;
      line.push(token);
    }
    if (line.length > longest.line.length) longest = { line, keyIndex };
  }
  return longest;
}
