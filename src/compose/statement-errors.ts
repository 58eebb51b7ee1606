import { sqlStateOf, troubleOf, type Trouble } from '../store/errors.js';
import type { FailureExitCode } from '../config/errors.js';

interface Told {
  readonly code: 'DATABASE_REFUSED' | 'GRANTS_MISSING';
  readonly exitCode: FailureExitCode;
  readonly message: string;
}

/** What keeps PostgreSQL from doing what it was asked, in words of ours: its own may hold a token. */
const TROUBLES: Readonly<Record<Exclude<Trouble, 'unreachable'>, readonly [FailureExitCode, string]>> = {
  'read only': [
    4,
    'it takes no writes: it is a standby, or default_transaction_read_only is on for the role, the database or the ' +
      'server. Give --database-url of the primary',
  ],
  'disk full': [
    1,
    'its disk is full. Make room on the disk of its data directory (`df -h`), and run this again',
  ],
  stalled: [
    1,
    'it did not finish in time. Look for what holds it up (pg_stat_activity, pg_locks, a synchronous standby that is ' +
      'gone), and run this again',
  ],
  starting: [4, 'it is starting up, recovering or shutting down. Run this again in a moment'],
  'too many connections': [4, 'it has no connection left. Raise max_connections, or put PgBouncer before it'],
};

/**
 * What a command ends with where PostgreSQL refused a statement for a reason that its operator can mend. Undefined:
 * it is about something else.
 *
 * @param role undefined: the embedded database, whose only role owns all
 */
export function statementError(error: unknown, role: string | undefined): Told | undefined {
  const trouble = troubleOf(error);
  if (trouble !== undefined && trouble !== 'unreachable') {
    const [exitCode, what] = TROUBLES[trouble];
    return {
      code: 'DATABASE_REFUSED',
      exitCode,
      message: withState(`PostgreSQL refused it: ${what}.`, error),
    };
  }
  if (role === undefined || sqlStateOf(error) !== '42501') return undefined;
  return {
    code: 'GRANTS_MISSING',
    exitCode: 4,
    message: withState(
      `The role ${role} lacks a right that this needs. As the owner of the tables, run what ` +
        `\`carelink-tokens migrate grants --role ${role}\` prints; \`carelink-tokens doctor\` names what is missing.`,
      error,
    ),
  };
}

/** Said last, so that it can be looked up. */
function withState(sentence: string, error: unknown): string {
  const state = sqlStateOf(error);
  return state === undefined ? sentence : `${sentence} (${state})`;
}
