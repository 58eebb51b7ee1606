import { resolve as absolutePath } from 'node:path';
import { BENCH_OPTIONS } from './bench-options.js';
import { ConfigError } from './errors.js';
import { FileReader } from './files.js';
import { deepFreeze } from './freeze.js';
import { averageOf, parseProfile } from './load-profile.js';
import { httpUrl } from './network-kinds.js';
import { resolve, type Environment, type Flags, type Resolved } from './resolve.js';
import type { BenchSettings } from './settings.js';
import type { LoadStep } from './parts.js';
import type { Source } from './source.js';
import { unknownVariables } from './unknown-variables.js';
import { KPI_IDS } from './vocabulary.js';

/**
 * @param words what was typed without dashes: a URL, or nothing
 * @throws {ConfigError} with everything that is wrong
 */
export function benchSettings(
  flags: Flags,
  source: Source,
  [word, ...more]: readonly string[] = [],
): BenchSettings {
  const resolved = resolve(BENCH_OPTIONS, flags, source.env);
  const { values, given } = resolved;
  const problems = [...resolved.problems];
  const files = new FileReader(source, problems);
  const url = word === undefined ? undefined : httpUrl.parse(word);
  if (word !== undefined && url === undefined)
    problems.push(`bench takes ${httpUrl.allowed}, not ${JSON.stringify(word)}.`);
  if (more.length > 0) problems.push('bench takes one URL: name the one to compare with by --vs.');
  const tokens = readTokens(resolved, files, problems);
  const signingKey =
    values['signing-key-file'] === undefined
      ? values['signing-key']
      : files.readKey(given['signing-key-file'] ?? '--signing-key-file', values['signing-key-file'], true);
  if (url === undefined && word === undefined) {
    for (const flag of ['admin-url', 'tokens', 'vs'] as const) {
      if (given[flag] === `--${flag}`) {
        problems.push(
          `--${flag} is for a server that is named: without a URL, bench starts and seeds one of its own.`,
        );
      }
    }
  } else if (
    tokens === undefined &&
    signingKey === undefined &&
    given.tokens === undefined &&
    given['signing-key-file'] === undefined
  ) {
    problems.push(
      'A server of yours needs tokens that it accepts: give them with --tokens, or the key that it verifies with (--signing-key-file or CARELINK_SIGNING_KEY).',
    );
  }
  const profile = readProfile(resolved, files, problems);
  const shaped = values['find-capacity'] || values.profile !== undefined;
  problems.push(...loadProblems(resolved, shaped));
  const summaryFile = source.env['GITHUB_STEP_SUMMARY'];
  if (values.summary !== undefined && (summaryFile === undefined || summaryFile === '')) {
    problems.push(
      '--summary github is for a job of GitHub Actions: GITHUB_STEP_SUMMARY, the file that it names, is not set here.',
    );
  }
  const baseline = readBaseline(resolved, files, problems);
  if (baseline !== undefined && values.vs !== undefined)
    problems.push('--vs and --baseline exclude each other.');
  if (values['max-regression'] !== undefined && values.vs === undefined && values.baseline === undefined)
    problems.push('--max-regression needs something to compare with: --vs or --baseline.');
  const users = usersOf(resolved, tokens, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const absolute = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : absolutePath(source.cwd, path);
  return deepFreeze<BenchSettings>({
    command: 'bench',
    json: values.json,
    quiet: values.quiet,
    logLevel: values['log-level'] ?? 'warn',
    warnings: [...unknownVariables(source), ...files.warnings],
    url: url === undefined ? undefined : refreshUrl(url),
    vs: values.vs === undefined ? undefined : refreshUrl(values.vs),
    adminUrl: values['admin-url'],
    users,
    durationMs: profile?.reduce((sum, step) => sum + step.durationMs, 0) ?? values.duration,
    warmupMs: values.warmup,
    mode: shaped ? 'open' : values.mode,
    ratePerSecond: profile === undefined ? values.rate : averageOf(profile),
    arrivals: values.arrivals,
    duplicatesPercent: values.duplicates,
    tabs: values.tabs,
    seed: values.seed,
    rotation: values.rotation,
    tokens,
    signingKey,
    firstUserId: values['first-user-id'],
    baseline,
    maxRegressionPercent: values['max-regression'],
    files: {
      out: absolute(values.out),
      hgrm: absolute(values.hgrm),
      html: absolute(values.html),
      junit: absolute(values.junit),
    },
    summaryFile: values.summary === undefined ? undefined : absolute(summaryFile),
    kpis: values.kpis.length === 0 ? KPI_IDS : [...new Set(values.kpis)],
    headers: values.header.flat(),
    insecure: values.insecure,
    findCapacity: values['find-capacity'],
    profile,
    limits: limitsOf(values),
    serverEnvironment: serverEnvironment(source.env),
  });
}

function limitsOf(values: ResolvedBench['values']): BenchSettings['limits'] {
  const asked = [
    ['mean', 'mean', values['max-mean']],
    ['p50', 50, values['max-p50']],
    ['p99', 99, values['max-p99']],
    ['p99.9', 99.9, values['max-p999']],
  ] as const;
  return asked.flatMap(([name, percentile, maxMs]) =>
    maxMs === undefined ? [] : [{ name, percentile, maxMs }],
  );
}

/** `http://host:8000` is a server with the default base path; what has a path is a base path, or the endpoint itself. */
function refreshUrl(text: string): string {
  const url = new URL(text);
  const path = url.pathname.replace(/\/$/, '');
  if (path === '') url.pathname = '/account/token/refresh/';
  else if (!path.endsWith('/refresh')) url.pathname = `${path}/refresh/`;
  return url.href;
}

type ResolvedBench = Resolved<typeof BENCH_OPTIONS>;

const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

function readTokens(
  { values, given }: ResolvedBench,
  files: FileReader,
  problems: string[],
): readonly string[] | undefined {
  if (values.tokens === undefined) return undefined;
  const from = given.tokens ?? '--tokens';
  const lines = files
    .read(from, values.tokens)
    ?.split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const wrong = lines?.findIndex((line) => !COMPACT_JWS.test(line)) ?? -1;
  // A line isn't told back: it may be half of a token.
  if (wrong >= 0)
    problems.push(`${from}: line ${wrong + 1} is no token. The file has one refresh token a line.`);
  return lines;
}

/** Each session has a token of its own: where a file holds fewer than were asked for, that is an error and not a smaller run. */
function usersOf(
  { values, given }: ResolvedBench,
  tokens: readonly string[] | undefined,
  problems: string[],
): number {
  if (tokens === undefined) return values.users;
  const distinct = new Set(tokens).size;
  if (distinct < tokens.length) {
    problems.push(
      `${given.tokens}: ${tokens.length - distinct} of ${tokens.length} tokens repeat another. A token is spent once: give each session its own.`,
    );
  }
  const enough = values.vs === undefined ? tokens.length : Math.floor(tokens.length / 2);
  if (given.users === undefined) return enough;
  if (enough < values.users) {
    const sides = values.vs === undefined ? '' : ' for each of the two servers';
    problems.push(
      `${given.tokens} holds tokens for ${enough} users${sides}, and ${given.users} asks for ${values.users}. Give more tokens, or lower --users.`,
    );
  }
  return values.users;
}

function readBaseline(
  { values, given }: ResolvedBench,
  files: FileReader,
  problems: string[],
): BenchSettings['baseline'] {
  if (values.baseline === undefined) return undefined;
  const from = given.baseline ?? '--baseline';
  const text = files.read(from, values.baseline);
  if (text === undefined) return undefined;
  const reports = documentsIn(text);
  if (reports !== undefined) return { file: values.baseline, reports };
  problems.push(`${from}: ${values.baseline} is no report of bench. Make one with --out.`);
  return undefined;
}

/** One document, or one a line: files of --out that were put together. */
function documentsIn(text: string): readonly object[] | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  for (const parts of [[text], lines]) {
    try {
      const documents = parts.map((part) => JSON.parse(part) as unknown);
      if (documents.every((one): one is object => typeof one === 'object' && one !== null)) return documents;
    } catch {
      // The other way, or told by who asked.
    }
  }
  return undefined;
}

function readProfile(
  { values, given }: ResolvedBench,
  files: FileReader,
  problems: string[],
): readonly LoadStep[] | undefined {
  if (values.profile === undefined) return undefined;
  const from = given.profile ?? '--profile';
  const text = files.read(from, values.profile);
  if (text === undefined) return undefined;
  const steps = parseProfile(text);
  if (typeof steps !== 'string') return steps;
  problems.push(`${from}: ${values.profile}: ${steps}`);
  return undefined;
}

/** What kinds of load don't go together, as far as it was typed. */
function loadProblems({ values, given }: ResolvedBench, shaped: boolean): string[] {
  const typed = (flag: keyof typeof given): boolean => given[flag] === `--${flag}`;
  const problems: string[] = [];
  if (!shaped && values.mode === 'closed') {
    for (const flag of ['rate', 'arrivals'] as const)
      if (typed(flag)) problems.push(`--${flag} is for --mode open.`);
  }
  const excluded = [
    ...(values.profile === undefined
      ? []
      : (['rate', 'duration', 'vs', 'find-capacity'] as const).map((flag) => ['profile', flag] as const)),
    ...(values['find-capacity']
      ? (['vs', 'baseline'] as const).map((flag) => ['find-capacity', flag] as const)
      : []),
  ];
  for (const [one, other] of excluded)
    if (given[other] !== undefined && values[other] !== false)
      problems.push(`--${one} and --${other} exclude each other.`);
  if (shaped && typed('mode') && values.mode === 'closed')
    problems.push('--find-capacity and --profile offer a rate: that is --mode open.');
  return problems;
}

/** What is ours in the environment was meant for another server, with another database. */
function serverEnvironment(env: Environment): Readonly<Record<string, string>> {
  const foreign = new Set(['DATABASE_URL', 'REDIS_URL', 'PORT']);
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !entry[0].startsWith('CARELINK_') && !foreign.has(entry[0]),
    ),
  );
}
