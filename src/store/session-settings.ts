/** What the triggers of `migrate --notify` look at: `on` where nobody needs to be told. */
export const QUIET_SETTING = 'carelink.quiet';

export interface SettingsOptions {
  readonly statementTimeoutMs: number;
  /** Nobody is told of rotations: right only where no instance takes Redis' word for what is active. */
  readonly quiet: boolean;
  /** For what is looked up in the catalog by a bare name; undefined: the server's default. */
  readonly searchPath?: string | undefined;
  /** Whoever uses it only looks: PostgreSQL itself refuses to write. */
  readonly readOnly?: boolean | undefined;
}

/**
 * What every connection is set to, not hoped to have (rule 3).
 *
 * - READ COMMITTED: a conflict with a concurrent claim is seen as a lost claim; REPEATABLE READ would abort.
 * - synchronous_commit on: a claim that was answered is on disk.
 * - lock_timeout: statement_timeout doesn't stop the wait of a foreign key's check at commit.
 * - row_security off: PostgreSQL refuses a statement rather than hide rows from it. A blacklist row or a user that isn't
 *   seen would be an answer, and a wrong one.
 * - enable_seqscan off and jit off: every statement here is look-ups by index; a plan cached while the tables
 *   were small and never analysed must not scan them once they are large.
 * - client_min_messages warning: a cancelled wait for a synchronous standby is told in a warning alone (rule 37).
 *
 * That a session may write isn't set. A role or a database that was made read only is meant to be: it is a fence.
 */
function settings({
  statementTimeoutMs,
  quiet,
  searchPath,
}: SettingsOptions): Readonly<Record<string, string>> {
  return {
    synchronous_commit: 'on',
    lock_timeout: '100ms',
    statement_timeout: `${statementTimeoutMs}ms`,
    idle_in_transaction_session_timeout: '10s',
    row_security: 'off',
    enable_seqscan: 'off',
    jit: 'off',
    client_min_messages: 'warning',
    [QUIET_SETTING]: quiet ? 'on' : 'off',
    ...(searchPath === undefined ? {} : { search_path: searchPath }),
  };
}

/** Sets a connection that is ours alone, once. */
export function sessionSetUp(options: SettingsOptions): string {
  const all = {
    default_transaction_isolation: 'read committed',
    ...(options.readOnly === true ? { default_transaction_read_only: 'on' } : {}),
    ...settings(options),
  };
  return `SELECT ${calls(all, false).join(', ')}`;
}

/** The same for one transaction: what comes before the statement, and after it. */
export function transactionSetUp(options: SettingsOptions): {
  readonly begin: readonly string[];
  readonly end: string;
} {
  // It returns no row, so that the statement's are the only ones; and it can't be known before it has run.
  const set = `SELECT FROM (SELECT ${calls(settings(options), true).join(' || ')} AS all_set OFFSET 0) AS s
                WHERE all_set IS NULL`;
  const mode = options.readOnly === true ? ' READ ONLY' : '';
  return { begin: [`BEGIN ISOLATION LEVEL READ COMMITTED${mode}`, set], end: 'COMMIT' };
}

function calls(all: Readonly<Record<string, string>>, local: boolean): string[] {
  return Object.entries(all).map(
    ([name, value]) => `set_config('${name}', '${value.replaceAll("'", "''")}', ${local})`,
  );
}
