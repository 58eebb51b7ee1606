import { DIFFERENCES, type Difference, type DifferenceCode } from './differences.js';

/** Why a request was not judged, though it was one of the token endpoints'. */
export type Dropped = 'full' | 'late' | 'database' | 'failed';

/** Why what was judged says nothing. */
export type Undecided = 'clock' | 'changing' | 'django_failed' | 'unreadable';

export interface ReportedDifference {
  readonly code: DifferenceCode;
  /** What it means. */
  readonly says: string;
  /** Null: no option mends it. */
  readonly mend: string | null;
  readonly count: number;
  readonly first_at: string;
  readonly last_at: string;
  /** The first of them. */
  readonly example: {
    readonly request: string;
    readonly django: string;
    readonly here: string;
  };
}

/** The document of `/shadow`. */
export interface ShadowDocument {
  readonly shadow_of: string;
  readonly started_at: string;
  readonly uptime_seconds: number;
  /** Null: nothing was judged yet. */
  readonly agrees: boolean | null;
  readonly requests: {
    /** Whatever path they went to. */
    readonly passed: number;
    readonly unanswered: { readonly upstream: number; readonly client: number };
    /** Of the token endpoints. */
    readonly judged: number;
    readonly same: number;
    readonly different: number;
    /** The same by a state that changed while Django answered; counted in `same`. */
    readonly raced: number;
    readonly undecided: Readonly<Record<Undecided, number>>;
    readonly dropped: Readonly<Record<Dropped, number>>;
  };
  /** The most frequent first. */
  readonly differences: readonly ReportedDifference[];
}

interface Kept {
  count: number;
  mend: string | null;
  readonly firstAtMs: number;
  lastAtMs: number;
  readonly example: ReportedDifference['example'];
}

export interface ReportOptions {
  readonly shadowOf: string;
  readonly wallClockMs: () => number;
  /** A class was met for the first, tenth, hundredth, ... time. */
  readonly onClass: (difference: ReportedDifference) => void;
}

/** What a shadow has found out since its start. As large as there are classes, however long it runs. */
export class Report {
  readonly #options: ReportOptions;
  readonly #startedAtMs: number;
  readonly #classes = new Map<DifferenceCode, Kept>();
  readonly #undecided: Record<Undecided, number> = { clock: 0, changing: 0, django_failed: 0, unreadable: 0 };
  readonly #dropped: Record<Dropped, number> = { full: 0, late: 0, database: 0, failed: 0 };
  readonly #unanswered = { upstream: 0, client: 0 };
  #passed = 0;
  #same = 0;
  #raced = 0;
  #different = 0;

  constructor(options: ReportOptions) {
    this.#options = options;
    this.#startedAtMs = options.wallClockMs();
  }

  passed(): void {
    this.#passed += 1;
  }

  unanswered(why: 'upstream' | 'client'): void {
    this.#unanswered[why] += 1;
  }

  dropped(why: Dropped): void {
    this.#dropped[why] += 1;
  }

  undecided(why: Undecided): void {
    this.#undecided[why] += 1;
  }

  same(raced: boolean): void {
    this.#same += 1;
    if (raced) this.#raced += 1;
  }

  /** One request in which there are differences. @param request the method and the path */
  different(request: string, differences: readonly Difference[]): void {
    this.#different += 1;
    for (const difference of differences) this.#note(request, difference);
  }

  #note(request: string, { code, django, here, mend }: Difference): void {
    const nowMs = this.#options.wallClockMs();
    let kept = this.#classes.get(code);
    if (kept === undefined) {
      kept = {
        count: 0,
        mend: mend ?? DIFFERENCES[code].mend,
        firstAtMs: nowMs,
        lastAtMs: nowMs,
        example: { request, django, here },
      };
      this.#classes.set(code, kept);
    }
    kept.count += 1;
    kept.lastAtMs = nowMs;
    if (Number.isInteger(Math.log10(kept.count))) this.#options.onClass(reported(code, kept));
  }

  document(): ShadowDocument {
    const judged = this.#same + this.#different + sum(this.#undecided);
    return {
      shadow_of: this.#options.shadowOf,
      started_at: new Date(this.#startedAtMs).toISOString(),
      uptime_seconds: Math.round((this.#options.wallClockMs() - this.#startedAtMs) / 1000),
      agrees: this.#different > 0 ? false : this.#same > 0 ? true : null,
      requests: {
        passed: this.#passed,
        unanswered: { ...this.#unanswered },
        judged,
        same: this.#same,
        different: this.#different,
        raced: this.#raced,
        undecided: { ...this.#undecided },
        dropped: { ...this.#dropped },
      },
      differences: [...this.#classes]
        .map(([code, kept]) => reported(code, kept))
        .sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1)),
    };
  }
}

function reported(
  code: DifferenceCode,
  { count, mend, firstAtMs, lastAtMs, example }: Kept,
): ReportedDifference {
  return {
    code,
    says: DIFFERENCES[code].says,
    mend,
    count,
    first_at: new Date(firstAtMs).toISOString(),
    last_at: new Date(lastAtMs).toISOString(),
    example,
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, one) => all + one, 0);
}
