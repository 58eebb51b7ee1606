import { secretText } from './key-kinds.js';
import { decimal, durationMs, integer, oneOf, path } from './kinds.js';
import { headerLine } from './header-line.js';
import { httpUrl } from './network-kinds.js';
import { inGroup, list, optional, secret, toggle, valued } from './option.js';
import { ENV_FILE_OPTION, SHARED_OPTIONS } from './shared-options.js';
import { KPI_IDS } from './vocabulary.js';

const percent = decimal({ min: 0, max: 100, what: 'percentage' });
const bound = durationMs({ min: '1ms', max: '60s' });
const ofClient = { absentText: 'no bound' };

/** All that `bench` takes. No database: what it loads is reached over HTTP, or is a server of its own. */
export const BENCH_OPTIONS = {
  ...inGroup('Load', {
    users: valued(integer({ min: 1, max: 20_000 }), {
      default: '100',
      help: 'sessions, each with a rotating chain of tokens',
    }),
    duration: valued(durationMs({ min: '1s', max: '1h' }), { default: '15s', help: 'how long is measured' }),
    warmup: valued(durationMs({ min: '0s', max: '10m' }), {
      default: '3s',
      help: 'load before it, which is not measured',
    }),
    mode: valued(oneOf(['closed', 'open']), {
      default: 'closed',
      help: 'closed: a user refreshes again when answered; open: refreshes come at --rate, whatever becomes of those before',
    }),
    rate: valued(decimal({ min: 0.1, max: 100_000, what: 'number of refreshes a second' }), {
      default: '200',
      help: 'open: refreshes a second',
    }),
    arrivals: valued(oneOf(['poisson', 'constant']), {
      default: 'poisson',
      help: 'open: independent arrivals, or one every 1/rate',
    }),
    duplicates: valued(percent, { default: '0.5', help: '% of refreshes that are sent twice at once' }),
    tabs: valued(integer({ min: 1, max: 50 }), {
      default: '1',
      help: 'every refresh is sent by so many at once: from 2 on the concurrency KPI must fail',
    }),
    seed: valued(integer({ min: 0, max: 4_294_967_295 }), {
      default: '1',
      help: 'of the schedule and the duplicates',
    }),
    rotation: valued(oneOf(['on', 'off', 'keep', 'offered']), {
      default: 'on',
      help: 'the policy of the server: its own is started with it; offered: the load accepts rotation',
    }),
  }),
  ...inGroup('Comparison', {
    vs: optional(httpUrl, { help: 'another server to compare with, in interleaved blocks' }),
    baseline: optional(path('file'), {
      help: 'earlier --out to compare with: from three runs in one file (cat run-*.json) on, a difference can be told',
    }),
    'max-regression': optional(percent, {
      help: 'with --vs or --baseline: fail where the rate is surely lower, or the mean or p99 surely higher, by more than so many %',
      absentText: 'no bound',
    }),
  }),
  ...inGroup('The server under test', {
    'admin-url': optional(httpUrl, {
      help: "the server's admin port, whose /kpis tells what can't be measured from outside",
    }),
    tokens: optional(path('file'), {
      help: 'refresh tokens to begin with, one a line, as many as --users; with --vs every second one is for the other server',
    }),
    'signing-key-file': optional(path('file'), {
      help: 'file with the key that the server verifies HS256 tokens with, to mint them',
      absentText: 'CARELINK_SIGNING_KEY',
    }),
    'first-user-id': valued(integer({ min: 0, max: 2_000_000_000 }), {
      default: '1',
      help: 'minted tokens are of users from this id on',
    }),
    header: {
      ...list(headerLine, {
        help: 'a header of each refresh, to come through what stands in front: after the URL; in the variable one a line',
        sensitive: true,
      }),
      split: (variable: string) => variable.split('\n').filter((line) => line.trim() !== ''),
    },
    insecure: toggle({ help: 'accept any certificate: what is measured may be anybody' }),
  }),
  ...inGroup('Verdict', {
    kpis: list(oneOf(KPI_IDS), {
      help: 'the KPIs that the verdict is about (default: all); of a server without /kpis only refresh_duration can be measured',
    }),
  }),
  ...inGroup('Load', {
    'find-capacity': toggle({
      help: 'open: search the highest rate within --max-mean, --max-p99 and the like (default: mean 30 ms), beginning at --rate, and measure it',
    }),
    profile: optional(path('file'), {
      help: 'open: how the rate changes, a line a step: `30s 100`, or `10s 100..400` for an even rise; in place of --rate and --duration',
    }),
  }),
  ...inGroup('Reports', {
    junit: optional(path('file'), {
      help: 'write the verdict there as JUnit XML, a test for each KPI and limit',
    }),
    summary: optional(oneOf(['github']), {
      help: 'append the verdict as Markdown to the summary of the job ($GITHUB_STEP_SUMMARY)',
    }),
    out: optional(path('file'), { help: 'write the report there as JSON' }),
    hgrm: optional(path('file'), { help: 'write the percentile distribution there (HdrHistogram)' }),
    html: optional(path('file'), { help: 'write the report there as one page with plots' }),
  }),
  ...inGroup('Verdict', {
    'max-mean': optional(bound, { help: "fail where the client's mean is over it", ...ofClient }),
    'max-p50': optional(bound, { help: 'the same for the median', ...ofClient }),
    'max-p99': optional(bound, { help: 'the same for p99', ...ofClient }),
    'max-p999': optional(bound, { help: 'the same for p99.9', ...ofClient }),
  }),
  ...ENV_FILE_OPTION,
  json: SHARED_OPTIONS.json,
  'log-level': SHARED_OPTIONS['log-level'],
  ...inGroup('Environment and output', {
    quiet: toggle({ help: 'say the verdict only' }),
  }),
  ...inGroup('The server under test', {
    'signing-key': secret(secretText, { help: 'the key that tokens are minted with' }),
  }),
};
