import { byId, make, setClass, setText } from './elements.js';
import { bytes, figure, percent, seconds } from './format.js';
import { gauge, growth, quantile, total, type Snapshot } from './snapshot.js';

/** One line of a panel. Undefined: this server has no such thing. */
type Read = (now: Snapshot, before: Snapshot) => string | undefined;

interface Panel {
  readonly title: string;
  /** Hidden where the server exports no such metric. */
  readonly needs: string;
  readonly lines: readonly (readonly [label: string, read: Read])[];
}

const count =
  (name: string, labels?: Readonly<Record<string, string>>): Read =>
  (now) => {
    const value = total(now, name, labels);
    return value === undefined ? undefined : figure(value);
  };

const level =
  (name: string, format: (value: number | undefined) => string = figure): Read =>
  (now) => {
    const value = gauge(now, name);
    return value === undefined ? undefined : format(value);
  };

const mean =
  (name: string, format: (value: number | undefined) => string): Read =>
  (now, before) => {
    const n = growth(before, now, `${name}_count`);
    return n === 0 ? '-' : format(growth(before, now, `${name}_sum`) / n);
  };

const store =
  (name: string): Read =>
  (now) => {
    const up = now.metrics['carelink_store_up']?.find(({ labels }) => labels['store'] === name);
    return up === undefined ? undefined : up.value === 1 ? 'up' : 'down';
  };

const ended = (cause: string): Read => count('carelink_sessions_ended_total', { cause });

const one = (value: number | undefined): string => figure(value, 1);

const ago =
  (name: string): Read =>
  (now) => {
    const at = gauge(now, name);
    return at === undefined
      ? undefined
      : at === 0
        ? 'not yet'
        : `${seconds(Math.max(0, now.at / 1000 - at))} ago`;
  };

const lookups: Read = (now, before) => {
  const all = growth(before, now, 'carelink_cache_lookups_total');
  return percent(growth(before, now, 'carelink_cache_lookups_total', { result: 'active' }), all);
};

/** Their classes, the most frequent first. */
const differences: Read = ({ metrics }) => {
  const met = (metrics['carelink_shadow_differences_total'] ?? []).filter(({ value }) => value > 0);
  const names = met
    .sort((a, b) => b.value - a.value)
    .map(({ labels }) => (labels['code'] ?? '').replaceAll('_', ' '));
  return names.length === 0 ? 'none' : names.join(', ');
};

const CLAIM = 'carelink_claim_statement_duration_seconds';

const PANELS: readonly Panel[] = [
  { title: 'Requests since start', needs: 'carelink_token_refresh_total', lines: [
    ['refreshes', count('carelink_token_refresh_total')],
    ['rotated', count('carelink_token_refresh_total', { outcome: 'rotated' })],
    ['reissued (token kept)', count('carelink_token_refresh_total', { outcome: 'reissued' })],
    ['in progress (429)', count('carelink_token_refresh_total', { outcome: 'in_progress' })],
    ['unavailable (503)', count('carelink_token_refresh_total', { outcome: 'unavailable' })],
    ['verify', count('carelink_http_requests_total', { route: 'verify' })],
    ['log-outs', count('carelink_http_requests_total', { route: 'blacklist' })],
  ] },
  { title: 'Shadow', needs: 'carelink_shadow_requests_total', lines: [
    ['passed on', count('carelink_shadow_requests_total', { result: 'passed' })],
    ['the same', count('carelink_shadow_requests_total', { result: 'same' })],
    ['different', count('carelink_shadow_requests_total', { result: 'different' })],
    ['undecided', count('carelink_shadow_requests_total', { result: 'undecided' })],
    ['not judged', count('carelink_shadow_requests_total', { result: 'dropped' })],
    ['no answer of Django', count('carelink_shadow_requests_total', { result: 'unanswered' })],
    ['see /shadow', differences],
  ] },
  { title: 'Sessions', needs: 'carelink_sessions_ended_total', lines: [
    ['active, estimated', (now) => figure(gauge(now, 'carelink_sessions_active'))],
    ['logged out', ended('logout')],
    ['expired', ended('expired')],
    ['revoked', ended('revoked')],
    ['ended for reuse', ended('reuse')],
    ['user inactive', ended('inactive')],
    ['password changed', ended('password_changed')],
  ] },
  { title: 'Stores', needs: 'carelink_store_up', lines: [
    ['database', store('database')],
    ['Redis', store('redis')],
    ['clock ahead of the database', level('carelink_clock_ahead_seconds', (s) => `${figure((s ?? 0) * 1000)} ms`)],
    ['invalid indexes', level('carelink_invalid_indexes')],
  ] },
  { title: 'Connections', needs: 'carelink_db_pool_size', lines: [
    ['in use', (now) => `${figure((gauge(now, 'carelink_db_pool_open') ?? 0) - (gauge(now, 'carelink_db_pool_idle') ?? 0))} of ${figure(gauge(now, 'carelink_db_pool_size'))}`],
    ['waiting', level('carelink_db_pool_waiting')],
    ['waited, mean', mean('carelink_db_pool_wait_seconds', seconds)],
    ['statements a second', (now, before) => rate(now, before, 'carelink_db_statements_total')],
  ] },
  { title: 'Group commit', needs: 'carelink_group_commit_batch_size_count', lines: [
    ['claims a commit', mean('carelink_group_commit_batch_size', one)],
    ['commits a second', (now, before) => rate(now, before, 'carelink_group_commit_batch_size_count')],
    ['duration, mean', mean(CLAIM, seconds)],
    ['duration, p99', (now, before) => seconds(quantile(before, now, CLAIM, 0.99))],
  ] },
  { title: 'Cache', needs: 'carelink_cache_lookups_total', lines: [
    ['known live', lookups],
    ['known spent', count('carelink_cache_lookups_total', { result: 'spent' })],
    ['unknown', count('carelink_cache_lookups_total', { result: 'unknown' })],
    ['in flight elsewhere', count('carelink_cache_lookups_total', { result: 'busy' })],
  ] },
  { title: 'Outbox', needs: 'carelink_outbox_depth', lines: [
    ['entries', level('carelink_outbox_depth')],
    ['oldest waits', level('carelink_outbox_oldest_seconds', seconds)],
    ['written behind', count('carelink_background_writes_total')],
  ] },
  { title: 'Reuse', needs: 'carelink_token_reuse_total', lines: [
    ['came back late', count('carelink_token_reuse_total', { kind: 'late' })],
    ['claimed twice', count('carelink_token_reuse_total', { kind: 'second_claim' })],
    ['families revoked', count('carelink_token_revocations_total', { end: 'tip' })],
    ['escalated to users', count('carelink_token_revocations_total', { end: 'escalated' })],
    ['claims in doubt', count('carelink_claims_in_doubt_total', { resolved: 'false' })],
  ] },
  { title: 'Cleanup', needs: 'carelink_cleanup_runs_total', lines: [
    ['last run', ago('carelink_cleanup_last_run_timestamp_seconds')],
    ['rows removed', count('carelink_cleanup_deleted_total')],
    ['rows left', level('carelink_cleanup_backlog_rows')],
    ['failed runs', count('carelink_cleanup_runs_total', { result: 'failed' })],
  ] },
  { title: 'Workers', needs: 'carelink_workers', lines: [
    ['listening', (now) => `${figure(gauge(now, 'carelink_workers'))} of ${figure(gauge(now, 'carelink_workers_wanted'))}`],
    ['died since start', count('carelink_worker_deaths_total')],
  ] },
  { title: 'Process', needs: 'process_resident_memory_bytes', lines: [
    ['memory', level('process_resident_memory_bytes', bytes)],
    ['CPU', (now, before) => percent(growth(before, now, 'process_cpu_seconds_total'), (now.at - before.at) / 1000)],
    ['event loop lag, p99', level('nodejs_eventloop_lag_p99_seconds', seconds)],
    ['dashboards open', level('carelink_event_streams')],
  ] },
]; // prettier-ignore

function rate(now: Snapshot, before: Snapshot, name: string): string {
  const elapsed = (now.at - before.at) / 1000;
  return elapsed <= 0 ? '-' : figure(growth(before, now, name) / elapsed, 1);
}

interface Row {
  readonly read: Read;
  readonly label: HTMLElement;
  readonly value: HTMLElement;
}

/** The lesser figures; a panel whose metric isn't there is hidden. */
export class Panels {
  readonly #panels: readonly {
    readonly root: HTMLElement;
    readonly needs: string;
    readonly rows: readonly Row[];
  }[];

  constructor() {
    this.#panels = PANELS.map(({ title, needs, lines }) => {
      const list = make('dl', '');
      const rows = lines.map(([label, read]) => {
        const row = { read, label: make('dt', '', label), value: make('dd', '') };
        list.append(row.label, row.value);
        return row;
      });
      const root = make('div', 'card panel', make('h3', '', title), list);
      root.hidden = true;
      byId('panels').append(root);
      return { root, needs, rows };
    });
  }

  show(now: Snapshot, before: Snapshot): void {
    for (const { root, needs, rows } of this.#panels) {
      root.hidden = now.metrics[needs] === undefined;
      if (root.hidden) continue;
      for (const { read, label, value } of rows) {
        const text = read(now, before);
        label.hidden = value.hidden = text === undefined;
        setText(value, text ?? '');
        setClass(value, text === 'up' ? 'pass' : text === 'down' ? 'fail' : '');
      }
    }
  }
}
