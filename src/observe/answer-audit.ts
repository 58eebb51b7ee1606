/**
 * KPI `background` by conservation: answers held against rows. Of the tokens that were answered as rotated, up to
 * `SAMPLED_A_SECOND` a second are remembered, and when the 5 s are over each is looked for in the database. So what
 * was lost counts, however it was lost; and sync mode is counted as async is. Below that rate every answer is checked,
 * above it a fair draw of them.
 */
export interface AuditOptions {
  /** How many of these tokens have a committed blacklist row. */
  readonly countRows: (jtis: readonly string[]) => Promise<number>;
  readonly onAudited: (confirmed: number, audited: number) => void;
  /** They could not be looked up in time. */
  readonly onUnaudited: (count: number) => void;
  /** After the database's history was cut: of so many answers that were looked for anew, so many more have no row any more. */
  readonly onLooked?: (lost: number, of: number) => void;
  readonly random: () => number;
  /** How long after its answer a row may come, in ms. 5,000 by default: "within 5 s of the response" (contract). */
  readonly dueMs?: number;
}

const DUE_MS = 5_000;

/** Two look-ups a token, some 10 us: 0.3 % of a core of the database. */
const SAMPLED_A_SECOND = 250;

/** After this, a row may have come too late and nobody could tell: such answers are not counted as checked. */
const TOO_LATE_MS = 3_000;

const BATCH_MS = 1_000;

/**
 * So long what was looked up is kept, to be looked up again should the database fail over to a server that hasn't got it.
 * A standby that is further behind loses more than is counted then. 250 ids a second of 32 characters: 1 MB.
 */
const KEPT_MS = 60_000;

interface Batch {
  /** When its last answer was given, at the latest. */
  readonly endsAtMs: number;
  readonly jtis: string[];
  seen: number;
  /** How many of them are known to be lost. */
  lost: number;
}

export class AnswerAudit {
  readonly #options: AuditOptions;
  readonly #batches: Batch[] = [];
  /** Those that were looked for, or that it was too late for. */
  readonly #kept: Batch[] = [];
  /** Those after which nothing was looked for yet. */
  readonly #cutsAtMs: number[] = [];
  #checking = false;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** A refresh was answered: the token was spent, and its row is owed. */
  answered(jti: string, nowMs: number): void {
    let batch = this.#batches.at(-1);
    if (batch === undefined || nowMs >= batch.endsAtMs) {
      batch = { endsAtMs: nowMs + BATCH_MS, jtis: [], seen: 0, lost: 0 };
      this.#batches.push(batch);
    }
    batch.seen += 1;
    if (batch.jtis.length < SAMPLED_A_SECOND) {
      batch.jtis.push(jti);
      return;
    }
    // Reservoir sampling: each of the second's answers is as likely to be kept as any other.
    const place = Math.floor(this.#options.random() * batch.seen);
    if (place < SAMPLED_A_SECOND) batch.jtis[place] = jti;
  }

  /** Answers whose row isn't due yet. */
  get pending(): number {
    return this.#batches.reduce((sum, { jtis }) => sum + jtis.length, 0);
  }

  /**
   * The database goes on from an earlier point: what was answered before is looked for once more, when all of it is due.
   * What is written behind may still be owed until then.
   */
  historyCut(nowMs: number): void {
    this.#cutsAtMs.push(nowMs);
  }

  /** Looks up what is due; to be called about once a second. Never rejects. */
  async check(nowMs: number): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      await this.#checkDue(nowMs);
      await this.#checkCut(nowMs);
    } catch {
      // The database is away: the next call tries again, until it is too late to tell.
    } finally {
      this.#checking = false;
    }
  }

  async #checkDue(nowMs: number): Promise<void> {
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      const dueMs = batch.endsAtMs + this.#dueMs;
      if (nowMs < dueMs) return;
      if (nowMs > dueMs + TOO_LATE_MS) {
        this.#options.onUnaudited(batch.jtis.length);
      } else {
        const confirmed = await this.#options.countRows(batch.jtis);
        this.#options.onAudited(confirmed, batch.jtis.length);
      }
      this.#batches.shift();
      if (this.#options.onLooked !== undefined) this.#kept.push(batch);
    }
  }

  async #checkCut(nowMs: number): Promise<void> {
    const [cutAtMs] = this.#cutsAtMs;
    while ((this.#kept[0]?.endsAtMs ?? Infinity) < (cutAtMs ?? nowMs) - KEPT_MS) this.#kept.shift();
    if (cutAtMs === undefined || nowMs < cutAtMs + BATCH_MS + this.#dueMs) return;
    const before = this.#kept.filter(({ endsAtMs }) => endsAtMs - BATCH_MS <= cutAtMs);
    const missing: number[] = [];
    for (const { jtis } of before) missing.push(jtis.length - (await this.#options.countRows(jtis)));
    this.#cutsAtMs.shift();
    let lost = 0;
    let of = 0;
    for (const [at, batch] of before.entries()) {
      // Lost once is lost; what was found now the next cut may lose, and that can follow within seconds.
      const more = Math.max(0, (missing[at] ?? 0) - batch.lost);
      batch.lost += more;
      lost += more;
      of += batch.jtis.length;
    }
    this.#options.onLooked?.(lost, of);
  }

  get #dueMs(): number {
    return this.#options.dueMs ?? DUE_MS;
  }
}
