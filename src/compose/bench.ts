import {
  BenchError,
  mintRefreshToken,
  planDifferences,
  readBaseline,
  runBench,
  type BenchErrorCode,
  type BenchPlan,
  type BenchResult,
  type BenchTarget,
} from '../bench/index.js';
import { CommandError, type FailureExitCode } from '../config/errors.js';
import type { BenchSettings } from '../config/settings.js';
import { startOwnServer } from './bench-server.js';
import { ReleaseStack } from './release.js';

const EXIT_CODES: Readonly<Record<BenchErrorCode, FailureExitCode>> = {
  TARGET_UNREACHABLE: 4,
  TARGET_LOST: 4,
  TARGET_REFUSES: 4,
  TARGET_FAILS: 4,
  TOKENS_REFUSED: 4,
  NOT_A_REFRESH_ENDPOINT: 4,
  ADMIN_UNREACHABLE: 4,
  OPEN_FILES: 2,
  SERVER_NOT_STARTED: 1,
};

/**
 * Does the work of the command `bench`: starts a server of its own where none is named, mints tokens, loads, stops.
 *
 * @throws CommandError with what to do about it
 */
export async function runBenchCommand(
  settings: BenchSettings,
  hooks: { readonly signal: AbortSignal; onProgress: BenchPlan['onProgress']; onStarting: () => void },
): Promise<BenchResult> {
  const baseline = baselineOf(settings);
  const releases = new ReleaseStack();
  try {
    const own = settings.url === undefined ? await startOwnServer(settings, hooks, releases) : undefined;
    const url = own?.url ?? settings.url ?? '';
    const signingKey = own?.signingKey ?? settings.signingKey;
    const [ours, theirs] = beginnings(settings, signingKey);
    const target: BenchTarget = {
      refreshUrl: new URL(url),
      adminUrl: own?.adminUrl ?? settings.adminUrl,
      ...ours,
    };
    const versus: BenchTarget | undefined =
      settings.vs === undefined
        ? undefined
        : { refreshUrl: new URL(settings.vs), adminUrl: undefined, ...theirs };
    const { signal, onProgress } = hooks;
    return await runBench(target, versus, {
      ...settings,
      own: own !== undefined,
      baseline,
      signal,
      onProgress,
    });
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    throw new CommandError(error.code, EXIT_CODES[error.code], error.message, { cause: error });
  } finally {
    await releases.release();
  }
}

function baselineOf({ baseline, ...plan }: BenchSettings): BenchPlan['baseline'] {
  if (baseline === undefined) return undefined;
  const read = readBaseline(baseline.file, baseline.reports);
  if (read !== undefined) {
    const differences = [...new Set(baseline.reports.flatMap((report) => planDifferences(report, plan)))];
    if (differences.length === 0) return read;
    throw new CommandError(
      'BASELINE_UNFIT',
      2,
      `${baseline.file} was made with ${differences.join(' and ')}: runs of different plans can't be compared. Repeat this one with the same, or make a new baseline with --out.`,
    );
  }
  throw new CommandError('BASELINE_UNFIT', 2, `${baseline.file} is no report of bench. Make one with --out.`);
}

type Beginning = Pick<BenchTarget, 'tokens' | 'reissue'>;

/** The tokens that the sessions begin with, for the target and the one that it is compared with. */
function beginnings(
  settings: BenchSettings,
  signingKey: string | undefined,
): readonly [Beginning, Beginning] {
  const { tokens, users, firstUserId, vs } = settings;
  if (tokens !== undefined) {
    const part = (n: number): Beginning => ({
      tokens: (vs === undefined ? tokens : tokens.filter((_, at) => at % 2 === n)).slice(0, users),
      reissue: undefined,
    });
    return [part(0), part(1)];
  }
  if (signingKey === undefined) throw new Error('settings without tokens and without a key');
  const mint = (n: number): string => mintRefreshToken(signingKey, firstUserId + (n % users), Date.now());
  const minted = (): Beginning => {
    let reissued = 0;
    return { tokens: Array.from({ length: users }, (_, n) => mint(n)), reissue: () => mint(reissued++) };
  };
  return [minted(), minted()];
}
