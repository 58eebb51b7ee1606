import type { Log } from '../observe/log.js';
import type { OperatorMetrics } from '../observe/operator-metrics.js';
import type { History } from '../rotation/ports.js';
import { StoreUnavailableError } from '../rotation/ports.js';
import type { Database, Purpose } from '../store/database.js';
import { DatabaseHealth } from '../store/database-health.js';
import { isCancelledStatement } from '../store/errors.js';
import type { Health, HealthParts } from '../store/health.js';
import { Timeline } from '../store/timeline.js';
import type { ReleaseStack } from './release.js';

/** How often the database is asked for its health and its clock when nobody else asks. */
const HEALTH_EVERY_MS = 5_000;

/** Two lives of an access token: a client that was away while the database failed over has come by then. */
const LENIENT_LIVES = 2;

export interface WatchedDatabase {
  readonly health: DatabaseHealth;
  /** Undefined: nobody but this process writes, or restores, the embedded database. */
  readonly history: History | undefined;
}

/** Watches the database, by what its writes meet and by asking, until it is released. The first answer is in when it returns. */
export async function watchDatabase(
  parts: HealthParts & {
    readonly embedded: boolean;
    readonly accessLifetimeSeconds: number;
    readonly operator: OperatorMetrics;
    readonly log: Log;
    /** What is to be done about it, beside telling. */
    readonly onState?: (state: Health) => void;
    /** The database goes on from an earlier point; what is to be done about that. */
    readonly onCut?: () => void;
    readonly onReadOnly?: () => void;
  },
  releases: ReleaseStack,
): Promise<WatchedDatabase> {
  const { clock, embedded, operator, log } = parts;
  const timeline = embedded
    ? undefined
    : new Timeline(clock, () => {
        log.warn('history_cut', { cause: HISTORY_CUT });
        operator.onHistoryCut();
        parts.onCut?.();
      });
  const health = new DatabaseHealth({
    ...parts,
    timeline,
    onState(state, before) {
      operator.onStore('database', state === 'ok', state);
      tell(state, before, log);
      parts.onState?.(state);
    },
  });
  await health.read();
  const timer = setInterval(() => void health.look(), HEALTH_EVERY_MS).unref();
  releases.add(() => clearInterval(timer));
  const lenientUs = LENIENT_LIVES * parts.accessLifetimeSeconds * 1_000_000;
  return { health, history: timeline && historyOf(health, timeline, clock, lenientUs) };
}

function historyOf(
  health: DatabaseHealth,
  timeline: Timeline,
  clock: HealthParts['clock'],
  lenientUs: number,
): History {
  return {
    async cutAtUs() {
      const { state } = await health.readAnew();
      if (state !== 'ok') throw new StoreUnavailableError(`the database is not well: ${state}`);
      const { cutAtUs } = timeline;
      return cutAtUs !== undefined && clock.nowUs() < cutAtUs + lenientUs ? cutAtUs : undefined;
    },
  };
}

const HISTORY_CUT =
  'the database goes on from an earlier point (a failover, a restore): commits may be lost; for two access lifetimes reuse of older tokens is refused and not punished';

/** What became of answers from before the cut, as far as they are remembered. */
export function tellLost(lost: number, of: number, log: Log): void {
  const fields = { count: lost, rows: of };
  if (lost === 0) log.info('answers_checked', fields);
  else log.error('answers_checked', { ...fields, cause: LOST });
}

const LOST =
  'refreshes that were answered before the failover or restore (count) have no rows any more: their tokens may be used once more, and log-outs of that time are undone. See docs/how-to/failover.md';

function tell(state: Health, before: Health | undefined, log: Log): void {
  if (state !== 'ok')
    log.warn('database_health', { kind: state, ...(state in MEANS ? { cause: MEANS[state] } : {}) });
  else if (before !== undefined) log.info('database_health', { kind: state });
}

/** What a state means that doesn't say it by its name. Refreshes get 503 meanwhile, and their tokens stay unspent. */
const MEANS: Readonly<Partial<Record<Health, string>>> = {
  'read only':
    'this server takes no writes (a standby, or default_transaction_read_only): until it does refreshes get 503. Is --database-url that of the primary?',
  unreachable: 'PostgreSQL gives no answer, or refuses this database or role: see database_not_connected',
  'tables locked':
    'a session locks a token table: until it ends refreshes get 503. `carelink-tokens doctor` names it',
  'disk full': 'PostgreSQL has no room on its disk: until it has refreshes get 503',
  'grants missing': 'the role lacks a right: `carelink-tokens doctor` names it',
  'tables missing': "simplejwt's tables, or ours, are gone: `carelink-tokens doctor` names them",
  'other schema': 'migrate gave this site another schema of ours: this server ends, start it again',
  'too many connections': 'PostgreSQL has no connection left: until it has refreshes get 503',
};

const WRITES: ReadonlySet<Purpose> = new Set(['claim', 'write_behind']);

/**
 * A database that tells how its writes end, and how long claims take.
 *
 * @param isView whether claims ask a view of the site
 */
export function watchingWrites(
  database: Database,
  monotonicMs: () => number,
  health: DatabaseHealth,
  operator: OperatorMetrics,
  isView: boolean,
): Database {
  return {
    async query(purpose, statement) {
      if (!WRITES.has(purpose)) return database.query(purpose, statement);
      const startedMs = monotonicMs();
      try {
        const rows = await database.query<never>(purpose, statement);
        health.onWritten(rows);
        return rows;
      } catch (error) {
        // One user's row of the view may take long: that says nothing of the database.
        if (!isView || !isCancelledStatement(error)) health.onFailed(error);
        throw error;
      } finally {
        if (purpose === 'claim') operator.onClaimStatement((monotonicMs() - startedMs) / 1000);
      }
    },
  };
}
