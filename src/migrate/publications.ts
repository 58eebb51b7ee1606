import { ledgerSql } from './ledger.js';
import type { Migration } from './files.js';
import type { Finding, Followers } from './preflight.js';
import type { Standing } from './standing.js';
import type { Session } from './session.js';

/**
 * Publications that take up each table that is made in one of these schemas, and who follows them. A subscriber that lacks
 * a table of a change that it is sent stops there, and holds up all changes after it:
 * https://www.postgresql.org/docs/current/logical-replication-subscription.html
 */
export async function readFollowers(session: Session): Promise<Followers> {
  const [schemas] = await session.query<{ there: boolean }>(
    "SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL AS there",
  );
  // FOR TABLES IN SCHEMA is of PostgreSQL 15.
  const published =
    schemas?.there === true
      ? `SELECT p.pubname, n.nspname FROM pg_publication_namespace s
           JOIN pg_publication p ON p.oid = s.pnpubid JOIN pg_namespace n ON n.oid = s.pnnspid`
      : 'SELECT NULL, NULL WHERE false';
  const publications = await session.query<{ name: string; schema: string | null }>(
    `SELECT pubname::text AS name, NULL AS schema FROM pg_publication WHERE puballtables
     UNION ALL
     SELECT pubname::text, nspname::text FROM (${published}) AS s (pubname, nspname)
     ORDER BY 1, 2`,
  );
  // A slot doesn't say which publications it follows. Other plug-ins know no publications.
  const slots = await session.query<{ name: string }>(
    `SELECT slot_name::text AS name FROM pg_replication_slots
      WHERE slot_type = 'logical' AND plugin = 'pgoutput' AND database = current_database()
      ORDER BY 1`,
  );
  return {
    publications: publications.map(({ name, schema }) => ({ name, schema: schema ?? undefined })),
    slots: slots.map(({ name }) => name),
  };
}

export interface PublishedOptions {
  readonly own: string;
  /** Of the token tables, where they are to be made. */
  readonly schema: string;
  /** The ledger is there. */
  readonly ledger: boolean;
  /** --subscribers-ready: the operator has made the tables there. */
  readonly subscribersReady: boolean;
}

/** Tables that are to be made, and that subscribers would be sent rows of. Pure. */
export function judgePublications(
  standings: readonly Standing[],
  { publications, slots }: Followers,
  { own, schema, ledger, subscribersReady }: PublishedOptions,
): Finding[] {
  const making = standings.filter(
    ({ action, migration: { kind } }) => action === 'run' && (kind === 'schema' || kind === 'tables'),
  );
  const works = standings.some(({ action }) => action !== 'nothing' && action !== 'leave');
  const names = [
    ...(works && !ledger ? [`${own}.migrations`] : []),
    ...making.flatMap(({ migration: { kind, makes, tables } }) =>
      kind === 'tables' ? tables.map((table) => `${schema}.${table}`) : [makes ?? ''],
    ),
  ];
  const schemas = new Set(names.map((name) => name.slice(0, name.indexOf('.'))));
  const taking = publications.filter((one) => one.schema === undefined || schemas.has(one.schema));
  if (names.length === 0 || taking.length === 0) return [];
  const which = [...new Set(taking.map(({ name }) => name))].join(', ');
  const what =
    `The publication ${which} takes up each new table, and this makes ${names.join(', ')}. A subscriber that lacks them stops ` +
    'at the first row, and holds up all changes after it.';
  const sql = subscriberSql(
    own,
    making.map(({ migration }) => migration),
  );
  if (slots.length === 0) {
    const message = `${what} No logical replication slot is there now, so there is no subscriber yet.`;
    return [{ severity: 'warn', code: 'published', message, sql }];
  }
  const followers =
    `Subscribers may be behind the slots ${slots.join(', ')}. (Clients of logical decoding such as Debezium use the same slots, ` +
    'and are not stopped by a table that they do not know.)';
  const afterwards =
    'Afterwards run there: ALTER SUBSCRIPTION ... REFRESH PUBLICATION; until then the tables stay empty there, and a ' +
    'switch-over would forget what was revoked.';
  if (subscribersReady) {
    return [{ severity: 'warn', code: 'published', message: `${what} ${followers} ${afterwards}`, sql }];
  }
  const message =
    `${what} ${followers} First run on each subscriber the statements that \`carelink-tokens migrate plan\` prints; then run ` +
    `this with --subscribers-ready; where only such clients are behind the slots, run it so at once. ${afterwards}`;
  return [{ severity: 'refuse', code: 'published', message, sql }];
}

/** The tables alone, without rows and rights: rows come by the subscription. It may be run again. */
function subscriberSql(own: string, making: readonly Migration[]): string {
  const tables = making.flatMap(({ sql }) => sql.match(MAKES) ?? []);
  return [`CREATE SCHEMA IF NOT EXISTS ${own};`, `${ledgerSql(own)};`, ...tables.map(onlyOnce)].join('\n');
}

/** A statement that makes a table or an index on one; comments have no semicolons at their ends. */
const MAKES = /^(CREATE TABLE|CREATE (UNIQUE )?INDEX|ALTER TABLE) [\s\S]*?;$/gm;

function onlyOnce(statement: string): string {
  return statement
    .replace(/^\s*--.*\n/gm, '')
    .replace(/^CREATE TABLE /, 'CREATE TABLE IF NOT EXISTS ')
    .replace(/^CREATE (UNIQUE )?INDEX /, 'CREATE $1INDEX IF NOT EXISTS ');
}
