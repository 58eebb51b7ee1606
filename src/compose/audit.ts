import { CommandError } from '../config/errors.js';
import type { AuditSettings } from '../config/settings.js';
import { hasAudit, readAudit, type AuditRow } from '../store/audit-log.js';
import { askOf, type Ask } from '../store/database.js';
import { isPrivilegeMissing, SchemaError } from '../store/errors.js';
import { DEFAULT_OWN } from '../store/own-schema.js';
import { ownSchemaOf, readTokenTablePlaces } from '../store/token-tables.js';
import { onCommandDatabase } from './command-database.js';
import { canonicalUserKey } from '../store/user-key.js';

/** A page of an export may come from a cold disk. */
const STATEMENT_TIMEOUT_MS = 60_000;

/**
 * Reads what was recorded, the latest first.
 *
 * @param tell is called with each
 * @returns whether there are more than were told
 * @throws CommandError with what to do about it
 */
export async function onAudit(settings: AuditSettings, tell: (row: AuditRow) => void): Promise<boolean> {
  return onCommandDatabase(
    settings.database,
    { command: 'audit', size: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS },
    (database) => read(settings, tell, askOf(database)),
  );
}

async function read(settings: AuditSettings, tell: (row: AuditRow) => void, ask: Ask): Promise<boolean> {
  const owned = settings.tokenTables ? ownSchemaOf(await readTokenTablePlaces(ask)) : { own: DEFAULT_OWN };
  if (!(await hasAudit(ask, owned))) {
    throw new CommandError(
      'CARELINK_SCHEMA_MISSING',
      4,
      `This database has no table ${owned.own}.audit, so nothing is recorded. Run \`carelink-tokens migrate\` on it, and restart ` +
        'the servers.',
    );
  }
  const { user, kinds, limit } = settings;
  const filter = {
    users: user === undefined ? undefined : [...new Set([user, canonicalUserKey('uuid', user) ?? user])],
    kinds,
    since: sinceOf(settings),
    limit: limit === undefined ? undefined : limit + 1,
  };
  let told = 0;
  try {
    for await (const row of readAudit(ask, owned, filter)) {
      if (told === limit) return true;
      told++;
      tell(row);
    }
  } catch (error) {
    if (!isPrivilegeMissing(error)) throw error;
    throw new SchemaError(
      'GRANTS_MISSING',
      `This role may not read ${owned.own}.audit. \`carelink-tokens migrate grants audit --role NAME\` prints what it needs.`,
    );
  }
  return false;
}

function sinceOf({ since }: AuditSettings): string | undefined {
  if (since === undefined) return undefined;
  // The year 1: nothing was recorded before that, and PostgreSQL can read it.
  if (since.kind === 'ago') return new Date(Math.max(Date.UTC(1), Date.now() - since.ms)).toISOString();
  return since.at;
}
