import { gaugeOf, sumOf, type Labels } from '../metric-reading.js';
import type { AlertRule, Reading, Symptom } from './alert.js';
import { REFUSALS_UNUSUAL } from './refusals.js';

const MINUTE_MS = 60_000;
const DAY_SECONDS = 86_400;

/** Three windows of a minute: one may be a deployment, three are not. */
const KPI_FOR_MS = 3 * MINUTE_MS;
/** KPI `background` counts a row that comes later than that as lost. */
const LAG_SECONDS = 5;
/** Below it an outbox is a batch under way. */
const OUTBOX_MIN = 1_000;
/** A group commit takes some 5 ms; at 100 ms the lock_timeout of claims is near, and refreshes miss their 30 ms. */
const SLOW_COMMIT_SECONDS = 0.1;
/** A third of what a refresh may take, and none of it is work. */
const POOL_WAIT_SECONDS = 0.01;
/** Of fewer in a minute a mean says nothing. */
const MEAN_OF_MIN = 5;
/** PyJWT allows no leeway: a second, and a login's token is "not yet valid" at the next instance. */
const SKEW_SECONDS = 1;
/** As much as the cleanup removes in two minutes at its default pace. */
const BACKLOG_ROWS = 1_000_000;
/** Let's Encrypt renews with 30 days left; at half of that nobody does any more. */
const CERTIFICATE_DAYS = 14;

/** How much a counter grew in the last minute; undefined where this server has no such metric. */
function grown(now: Reading, before: Reading | undefined, name: string, labels?: Labels): number | undefined {
  const value = sumOf(now.metrics, name, labels);
  return value === undefined
    ? undefined
    : value - ((before && (sumOf(before.metrics, name, labels) ?? 0)) || 0);
}

/** The mean of what a histogram gathered in the last minute; 0 where that is too little. */
function meanOf(now: Reading, before: Reading | undefined, name: string): number {
  const count = grown(now, before, `${name}_count`) ?? 0;
  return count < MEAN_OF_MIN ? 0 : (grown(now, before, `${name}_sum`) ?? 0) / count;
}

const one = (holds: boolean, detail: () => string): readonly Symptom[] =>
  holds ? [{ subject: '', detail: detail() }] : [];

/** The most urgent first. Each code has an entry in docs/reference/alerts.md. */
export const ALERT_RULES: readonly AlertRule[] = [
  {
    code: 'STORE_DOWN',
    severity: 'critical',
    title: 'A store does not answer, or lacks what is needed',
    action:
      '/readyz says what is wrong: look at the store, the network to it, locks on its tables. Refreshes resume by themselves.',
    forMs: 0,
    clearMs: 10_000,
    judge: ({ metrics }) =>
      (metrics['carelink_store_up'] ?? [])
        .filter(({ value }) => value === 0)
        .map(({ labels: { store = '' } }) => {
          // Another word than "down" for a database that answers: who reads it looks in another place.
          const problems = metrics['carelink_store_problem']?.filter(
            ({ labels }) => labels['store'] === store,
          );
          const words = problems?.flatMap(({ labels: { problem } }) => problem ?? []) ?? [];
          return {
            subject: store,
            detail: words.length === 0 ? `${store} is down` : `${store}: ${words.join(', ')}`,
          };
        }),
  },
  {
    code: 'WORKER_DIED',
    severity: 'critical',
    title: 'A worker died, or does not listen',
    action:
      'It is started again by itself: read in the log with what it ended (worker_died), and whether it stays.',
    forMs: 0,
    clearMs: 10_000,
    judge(now, before) {
      const deaths = grown(now, before, 'carelink_worker_deaths_total') ?? 0;
      const listening = gaugeOf(now.metrics, 'carelink_workers') ?? 0;
      const wanted = gaugeOf(now.metrics, 'carelink_workers_wanted') ?? 0;
      return one(
        deaths > 0 || listening < wanted,
        () => `${deaths} died in the last minute, ${listening} of ${wanted} listen`,
      );
    },
  },
  {
    code: 'HISTORY_CUT',
    severity: 'critical',
    title: 'The database goes on from an earlier point',
    action:
      'A failover or a restore: see docs/how-to/failover.md. Log-outs and revocations of the lost window are undone: repeat them with `carelink-tokens revoke`.',
    forMs: 0,
    clearMs: 10 * MINUTE_MS,
    judge(now, before) {
      const cuts = grown(now, before, 'carelink_history_cuts_total') ?? 0;
      const lost = grown(now, before, 'carelink_commits_lost_total') ?? 0;
      if (lost > 0) return one(true, () => `at least ${lost} answered refreshes have no rows any more`);
      return one(cuts > 0, () => 'a failover or a restore; the log says what is lost (answers_checked)');
    },
  },
  {
    code: 'DOUBLE_SPEND',
    severity: 'critical',
    title: 'A token was claimed twice',
    action:
      'Find out who else rotates: give Django the serializer of docs/django, or stop its refresh endpoint.',
    forMs: 0,
    clearMs: 10 * MINUTE_MS,
    judge(now, before) {
      const count = grown(now, before, 'carelink_token_reuse_total', { kind: 'second_claim' }) ?? 0;
      return one(count > 0, () => `${count} in the last minute`);
    },
  },
  REFUSALS_UNUSUAL,
  {
    code: 'KPI_MISSED',
    severity: 'warning',
    title: 'A KPI misses its target',
    action: 'See which of the figures beside it has changed: commits, pool, cache, clients that send twice.',
    forMs: KPI_FOR_MS,
    clearMs: MINUTE_MS,
    judge: ({ kpis }) =>
      kpis
        .filter(({ window, verdict }) => window === '1m' && verdict === 'fail')
        .map(({ id, name, value, unit, comparison, target, note }) => ({
          subject: id,
          detail: `${name}: ${value === null ? '-' : value.toFixed(2)} ${unit}, and is to be ${comparison} ${target}${note === undefined ? '' : ` (${note})`}`,
        })),
  },
  {
    code: 'BACKGROUND_LAG',
    severity: 'critical',
    title: 'Writing behind is late',
    action: 'Look at the database: until the rows are there, Django does not know that the tokens are spent.',
    forMs: 10_000,
    clearMs: 30_000,
    judge({ metrics }) {
      const lag = gaugeOf(metrics, 'carelink_outbox_oldest_seconds') ?? 0;
      return one(lag > LAG_SECONDS, () => `the oldest entry waits ${lag.toFixed(1)} s`);
    },
  },
  {
    code: 'OUTBOX_GROWTH',
    severity: 'warning',
    title: 'The outbox grows',
    action:
      'The database takes less than comes: look for slow commits. When the outbox is full refreshes are answered 503.',
    forMs: 2 * MINUTE_MS,
    clearMs: MINUTE_MS,
    judge({ metrics }, before) {
      const depth = gaugeOf(metrics, 'carelink_outbox_depth') ?? 0;
      const was = before === undefined ? depth : (gaugeOf(before.metrics, 'carelink_outbox_depth') ?? 0);
      return one(depth >= OUTBOX_MIN && depth > was, () => `${depth} entries, ${was} a minute ago`);
    },
  },
  {
    code: 'DEAD_LETTERS',
    severity: 'critical',
    title: 'The database refuses rotations that were answered',
    action:
      '`carelink-tokens dead-letters list` says why: mend the trigger, constraint or sequence. They are written by themselves then.',
    forMs: 0,
    clearMs: 10_000,
    judge({ metrics }) {
      const count = gaugeOf(metrics, 'carelink_dead_letters') ?? 0;
      return one(count > 0, () => `${count} are kept, and Django does not know that their tokens are spent`);
    },
  },
  {
    code: 'WRITES_REFUSED',
    severity: 'critical',
    title: 'The database refuses rows of refreshes or log-outs',
    action:
      '`carelink-tokens doctor` names triggers of your site and sequences that are behind. Clients get 503, and repeat by themselves.',
    forMs: 0,
    clearMs: 10_000,
    judge(now, before) {
      const count = grown(now, before, 'carelink_writes_refused_total') ?? 0;
      return one(count > 0, () => `${count} in the last minute`);
    },
  },
  {
    code: 'POOL_SATURATED',
    severity: 'warning',
    title: 'Statements wait for a connection',
    action: 'Look for slow statements and locks in PostgreSQL; if it is idle, raise --pool-size.',
    forMs: 30_000,
    clearMs: MINUTE_MS,
    judge(now, before) {
      const mean = meanOf(now, before, 'carelink_db_pool_wait_seconds');
      return one(
        mean > POOL_WAIT_SECONDS,
        () => `${(mean * 1000).toFixed(0)} ms on average in the last minute`,
      );
    },
  },
  {
    code: 'SLOW_COMMITS',
    severity: 'warning',
    title: 'Group commits are slow',
    action: "Look at the database's disk, its locks (pg_stat_activity), a synchronous standby, a checkpoint.",
    forMs: 30_000,
    clearMs: MINUTE_MS,
    judge(now, before) {
      const mean = meanOf(now, before, 'carelink_claim_statement_duration_seconds');
      return one(
        mean > SLOW_COMMIT_SECONDS,
        () => `${(mean * 1000).toFixed(0)} ms on average in the last minute`,
      );
    },
  },
  {
    code: 'CLOCK_SKEW',
    severity: 'warning',
    title: "This host's clock and the database's differ",
    action:
      'Run NTP on both: tokens are dated by the database, and a Django whose clock is behind refuses them.',
    forMs: 0,
    clearMs: MINUTE_MS,
    judge({ metrics }) {
      const ahead = gaugeOf(metrics, 'carelink_clock_ahead_seconds') ?? 0;
      return one(
        Math.abs(ahead) > SKEW_SECONDS,
        () => `this host is ${Math.abs(ahead).toFixed(1)} s ${ahead > 0 ? 'ahead' : 'behind'}`,
      );
    },
  },
  {
    code: 'CLEANUP_FAILED',
    severity: 'warning',
    title: 'The cleanup failed',
    action: 'Read why in the log (cleanup_failed), or run `carelink-tokens cleanup` by hand.',
    forMs: 0,
    clearMs: 0,
    judge: ({ metrics }) => {
      const failed = gaugeOf(metrics, 'carelink_cleanup_last_failed');
      return one(failed === 1, () => 'the last run of this server');
    },
  },
  {
    code: 'CLEANUP_BACKLOG',
    severity: 'warning',
    title: 'Expired rows pile up',
    action:
      'Run `carelink-tokens cleanup --nice 1` once; see what its runs give way to in the log (cleanup_pressure).',
    forMs: 0,
    clearMs: 0,
    judge({ metrics }) {
      const rows = gaugeOf(metrics, 'carelink_cleanup_backlog_rows') ?? 0;
      return one(rows > BACKLOG_ROWS, () => `${rows} rows are past their retention`);
    },
  },
  {
    code: 'INVALID_INDEX',
    severity: 'warning',
    title: 'An index is invalid',
    action: 'Run `carelink-tokens migrate`: it drops and builds it anew, beside live traffic.',
    forMs: 0,
    clearMs: 0,
    judge({ metrics }) {
      const count = gaugeOf(metrics, 'carelink_invalid_indexes') ?? 0;
      return one(count > 0, () => `${count} of the token tables' indexes`);
    },
  },
  {
    code: 'CERTIFICATE_EXPIRES',
    severity: 'warning',
    title: 'A certificate is about to expire',
    action:
      'Renew it, in the file that it was read from. That of --tls-cert is taken by itself; for a verifying key send SIGHUP.',
    forMs: 0,
    clearMs: 0,
    judge: ({ metrics, wallClockMs }) =>
      (metrics['carelink_certificate_expiry_timestamp_seconds'] ?? []).flatMap(({ labels, value }) => {
        const days = (value - wallClockMs / 1000) / DAY_SECONDS;
        if (days > CERTIFICATE_DAYS) return [];
        const use = labels['use'] === 'tls' ? '--tls-cert' : '--verifying-key-file';
        return [
          {
            subject: labels['use'] ?? '',
            detail: days <= 0 ? `that of ${use} has expired` : `that of ${use}, in ${Math.floor(days)} days`,
          },
        ];
      }),
  },
];
