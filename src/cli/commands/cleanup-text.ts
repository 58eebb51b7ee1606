import { spokenDuration } from '../../config/durations.js';
import { HOME_UNWRITTEN } from '../../store/token-tables.js';
import type { CleanupEvent, DryRun, Summary } from '../../cleanup/index.js';

/** An event as a line for people; undefined: nothing to say. */
export function eventLine(event: CleanupEvent): string | undefined {
  switch (event.event) {
    case 'started':
      return `expired before ${event.cutoff}: ${event.backlogExact ? '' : 'about '}${count(event.backlogRows)} rows${extra(event.extraLifetimeMs)}`;
    case 'home_unwritten':
      return `warning: ${HOME_UNWRITTEN}`;
    case 'others_follow':
      return (
        `as their foreign keys say, rows of other tables follow: ${event.keys.join('; ')}. Without an index on its column ` +
        'such a table is read whole for each token'
      );
    case 'progress':
      return progressLine(event);
    case 'pressure':
      if (event.slowdown === 1) return 'going on at the usual pace';
      return `${event.slowdown === Infinity ? 'stopped' : `slowed down ${event.slowdown} times`}: ${event.reasons.join('; ')}`;
    case 'sessions_hidden':
      return (
        `warning: ${event.role} may not see what sessions of ${event.roles.join(', ')} do. A backup is taken for a request ` +
        `for its first seconds, and the cleanup is slower meanwhile. As a superuser: GRANT pg_read_all_stats TO ${event.role};`
      );
    case 'retry':
      return undefined;
    case 'stepped_over':
      return `stepped over row ${event.id}: ${event.reason}; the next run tries it again`;
    case 'audit_progress':
      return undefined;
    case 'audit_missing':
      return 'warning: --audit-retention has nothing to do: the migration audit is pending; run carelink-tokens migrate';
    case 'vacuum_started':
      return 'vacuuming ...';
    case 'vacuum_finished':
      return vacuumLine(event);
    case 'vacuum_failed':
      return `the VACUUM failed (${event.reason}); autovacuum makes up for it`;
  }
}

function vacuumLine({ skipped, durationMs }: Extract<CleanupEvent, { event: 'vacuum_finished' }>): string {
  const passedOver = skipped.map(({ table, why }) =>
    why === 'locked'
      ? `${table} was passed over, for somebody locks it (an autovacuum, an index build, an ALTER TABLE)`
      : `${table} was passed over, for only its owner may vacuum it`,
  );
  if (skipped.length === 2) return `not vacuumed: ${passedOver.join('; ')}. autovacuum makes up for it`;
  return [`vacuumed (${seconds(durationMs)})`, ...passedOver].join('; ');
}

export function progressLine(event: Extract<CleanupEvent, { event: 'progress' }>): string {
  const time = event.remainingMs === undefined ? '' : ` (${seconds(event.remainingMs)})`;
  return `${event.percent} %  ${count(event.deleted)} rows gone, ${count(event.rowsPerSecond)}/s, ${count(event.leftRows)} left${time}`;
}

export function summaryLines(summary: Summary): string[] {
  const { deleted, blacklistDeleted, kept, keptIds, steppedOver, batches, batchMs, backlogRows } = summary;
  const lines = [
    `${count(batches)} batches in ${seconds(summary.durationMs)}: ${count(summary.rowsPerSecond)} rows/s, a batch ` +
      `${batchMs.p50} ms (p99 ${batchMs.p99} ms); ${count(blacklistDeleted)} blacklist rows went with them`,
  ];
  for (const { reason, ms } of summary.givenWay) lines.push(`gave way for ${seconds(ms)}: ${reason}`);
  if (kept > 0) {
    lines.push(
      `${count(kept)} rows are kept, for the JWT that they store expires later or can't be read, or a trigger passes them over (ids ${keptIds.join(', ')})`,
    );
  }
  if (summary.protected.rows > 0) {
    const { rows, ids, by } = summary.protected;
    lines.push(`${count(rows)} rows stay, for ${by} (ids ${ids.join(', ')})`);
  }
  if (steppedOver > 0)
    lines.push(`${count(steppedOver)} rows were locked by others: the next run takes them`);
  for (const { table, bytes, rows, neededBytes } of summary.room) {
    lines.push(
      `${table} and its indexes take ${megabytes(bytes)} for about ${count(rows)} rows, which need some ${megabytes(neededBytes)}: ` +
        'new rows use the room again. To give it back to the disk: pg_repack, or VACUUM FULL, which locks the table meanwhile',
    );
  }
  if (summary.ended !== 'done')
    lines.push(`${ENDED[summary.ended]}: about ${count(backlogRows)} rows are left`);
  if (summary.auditDeleted !== undefined)
    lines.push(`${count(summary.auditDeleted)} rows of the audit were past their retention, and are gone`);
  lines.push(`Cleaned up ${deleted} expired token records`);
  return lines;
}

const ENDED: Readonly<Record<Exclude<Summary['ended'], 'done'>, string>> = {
  max_rows: 'stopped by --max-rows',
  max_duration: 'stopped by --max-duration',
  pressure: 'stopped by what goes on in the database',
  interrupted: 'interrupted',
};

export function dryRunLines(told: DryRun): string[] {
  const width = Math.max(...told.byAge.map(({ rows }) => count(rows).length));
  const lines = [
    `Expired before ${told.cutoff}, and would go: ${count(told.wouldDelete)} rows`,
    ...(told.extraLifetimeMs > 0 ? [`  ${extra(told.extraLifetimeMs).slice(2)}`] : []),
    ...told.byAge.map(({ age, rows }) => `  ${count(rows).padStart(width)}  ${age} past that`),
  ];
  if (told.wouldKeep > 0) {
    lines.push(`${count(told.wouldKeep)} rows would be kept: their JWT expires later or can't be read`);
  }
  lines.push(`${count(told.notYet)} rows are younger`);
  if (told.estimatedRangeMs !== undefined) {
    const [least, most] = told.estimatedRangeMs.map(seconds) as [string, string];
    lines.push(
      `It would take ${least === most ? `about ${least}` : `${least} to ${most}`} at this pace, alone`,
    );
  }
  if (told.auditWouldDelete !== undefined)
    lines.push(`${count(told.auditWouldDelete)} rows of the audit would go`);
  lines.push('Nothing was changed.');
  return lines;
}

function extra(ms: number): string {
  if (ms <= 0) return '';
  return `; tokens here live up to ${spokenDuration(ms)} longer than their rows say, and rows are kept as much longer`;
}

function megabytes(bytes: number): string {
  const mib = bytes / 1024 / 1024;
  return mib >= 2048 ? `${(mib / 1024).toFixed(1)} GB` : `${Math.ceil(mib)} MB`;
}

function count(rows: number): string {
  return rows.toLocaleString('en-US');
}

function seconds(ms: number): string {
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} min`;
  return ms >= 10_000 ? `${Math.round(ms / 1000)} s` : `${(ms / 1000).toFixed(1)} s`;
}
