import { showAlerts } from './alerts.js';
import { byId, setClass, setText } from './elements.js';
import { figure, seconds } from './format.js';
import { History } from './history.js';
import { Kpis } from './kpis.js';
import { Minute } from './minute.js';
import { Panels } from './panels.js';
import { Plot } from './plot.js';
import { growth, quantile, type Snapshot } from './snapshot.js';
import { follow } from './stream.js';
import { followTheme } from './theme.js';

/** Outcomes as lines: what an operator tells apart. */
const RATES = [
  { label: 'refreshed', colour: '--s1', outcomes: ['rotated', 'reissued'] },
  { label: 'replayed', colour: '--s2', outcomes: ['replayed'] },
  { label: 'in progress', colour: '--s3', outcomes: ['in_progress'] },
  {
    label: 'refused',
    colour: '--s4',
    outcomes: [
      'invalid',
      'expired',
      'malformed',
      'blacklisted',
      'inactive',
      'password_changed',
      'bad_request',
    ],
  },
  { label: 'failed', colour: '--s5', outcomes: ['unavailable', 'error'] },
];
const LATENCIES = [
  { label: 'p50 ms', colour: '--s1', share: 0.5 },
  { label: 'p99 ms', colour: '--s3', share: 0.99 },
];
const DURATION = 'carelink_token_refresh_duration_seconds';
const successful = (labels: Readonly<Record<string, string>>): boolean =>
  ['rotated', 'replayed', 'reissued'].includes(labels['outcome'] ?? '');

/** Figures are of the last five seconds: of one alone they would jump. */
const SMOOTHED = 5;

const kpis = new Kpis();
const panels = new Panels();
const rates = new History(RATES.length);
const latencies = new History(LATENCIES.length);
const plots = [new Plot(byId('rate'), RATES, rates, 0), new Plot(byId('latency'), LATENCIES, latencies, 1)];
const minute = new Minute();
const recent: Snapshot[] = [];
let paused = false;
let lostAt: Date | undefined;

followTheme(byId('theme'), () => plots.forEach((plot) => plot.redraw()));

const pause = byId('pause');
pause.addEventListener('click', () => {
  paused = !paused;
  pause.setAttribute('aria-pressed', String(paused));
  setText(pause, paused ? 'Go on' : 'Pause');
});

follow({
  onState(state) {
    lostAt = state === 'live' ? undefined : (lostAt ?? new Date());
    const pill = byId('state');
    setClass(pill, `pill ${state}`);
    setText(pill, state === 'live' ? 'live' : 'disconnected');
    const banner = byId('lost');
    banner.hidden = lostAt === undefined;
    if (lostAt !== undefined)
      setText(
        banner,
        `Disconnected since ${lostAt.toLocaleTimeString('en-GB')}: what is shown is from before. Trying again.`,
      );
    document.body.classList.toggle('stale', lostAt !== undefined);
  },
  onSnapshot(snapshot) {
    remember(snapshot);
    if (!paused && !document.hidden) show(snapshot);
  },
});

document.addEventListener('visibilitychange', () => {
  const latest = recent.at(-1);
  if (!document.hidden && !paused && latest !== undefined) show(latest);
});

function remember(now: Snapshot): void {
  const last = recent.at(-1);
  const gap =
    last !== undefined && (now.at - last.at > 5_000 || now.kpis.started_at !== last.kpis.started_at);
  if (gap) {
    for (const history of [rates, latencies]) history.gap(now.at / 1000);
    minute.clear();
    recent.length = 0;
  }
  const before = recent[0];
  recent.push(now);
  if (recent.length > SMOOTHED) recent.shift();
  if (before === undefined || last === undefined) return;
  minute.add(now.at / 1000, growth(last, now, 'carelink_token_refresh_total'), (now.at - last.at) / 1000);
  const elapsed = (now.at - before.at) / 1000;
  rates.add(
    now.at / 1000,
    RATES.map(
      ({ outcomes }) =>
        outcomes.reduce(
          (sum, outcome) => sum + growth(before, now, 'carelink_token_refresh_total', { outcome }),
          0,
        ) / elapsed,
    ),
  );
  latencies.add(
    now.at / 1000,
    LATENCIES.map(({ share }) => {
      const value = quantile(before, now, DURATION, share, successful);
      return value === undefined ? null : value * 1000;
    }),
  );
}

function show(now: Snapshot): void {
  const before = recent[0] ?? now;
  setText(
    byId('about'),
    `up ${seconds(now.kpis.uptime_seconds)}, ${now.mode === 'url' ? 'PostgreSQL' : 'embedded PostgreSQL'}`,
  );
  showAlerts(now.alerts);
  kpis.show(now);
  panels.show(now, before);
  const sum = rates.rows.slice(1).reduce((all, row) => all + (row.at(-1) ?? 0), 0);
  const peak = minute.peak();
  setText(
    byId('rate-now'),
    `${figure(sum)} now${peak === undefined ? '' : `, peak of the minute ${figure(peak.perSecond)}: ${figure(peak.timesMean, 1)} x its mean`}`,
  );
  const [p50, p99] = [latencies.rows[1]?.at(-1), latencies.rows[2]?.at(-1)];
  setText(
    byId('latency-now'),
    p50 === undefined || p50 === null ? 'no refreshes' : `p50 ${figure(p50, 1)} ms, p99 ${figure(p99, 1)} ms`,
  );
  for (const plot of plots) plot.update();
}
