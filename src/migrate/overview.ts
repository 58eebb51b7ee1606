import type { UserNames } from '../store/user-source.js';
import type { TableFacts } from './catalog.js';
import { estimateIndex, rowsOf, type IndexCost } from './estimate.js';
import type { Migration } from './files.js';
import { placesOf, readPicture, subjectsOf, type Picture } from './picture.js';
import { formatParameters } from './plan-settings.js';
import { judgeAll, type PlanOptions } from './plan.js';
import type { Action, Standing, State } from './standing.js';
import { judgeInvalid, judgeWork, type Finding, type ServerFacts } from './preflight.js';
import { judgePublications, readFollowers } from './publications.js';
import { redundantIndexes } from './redundancy.js';
import type { Session } from './session.js';
import { readSurroundings } from './surroundings.js';
import { asked } from './up.js';

/** What `plan` and `status` tell. Plain data: it is what --json prints. */
export interface Overview {
  readonly server: { readonly version: string; readonly database: string };
  readonly tables: readonly TableOverview[];
  readonly migrations: readonly MigrationOverview[];
  readonly redundant: readonly RedundantOverview[];
  readonly findings: readonly Finding[];
  /** What all that is to be built needs together. */
  readonly disk: { readonly bytes: number; readonly temporaryBytes: number; readonly walBytes: number };
}

export interface TableOverview {
  readonly name: string;
  readonly rows: number;
  /** False: the number of rows is a guess from the size, and so is all that follows from it. */
  readonly analysed: boolean;
  readonly bytes: number;
  readonly indexBytes: number;
  /** Every insert adds an entry to each of them. */
  readonly indexes: number;
}

export interface MigrationOverview {
  readonly name: string;
  readonly what: string;
  readonly state: State;
  readonly action: Action;
  readonly coveredBy?: string;
  readonly detail?: string;
  /** What `up` would run. */
  readonly sql?: string;
  readonly online: boolean;
  readonly table?: string;
  /** Of an index: what building it costs, or what it would. */
  readonly cost?: IndexCost;
  /** Of an index that is there. */
  readonly bytes?: number;
  readonly scans?: number;
  readonly appliedAt?: string;
  readonly durationMs?: number;
}

export interface RedundantOverview {
  readonly name: string;
  readonly by: string;
  readonly table: string;
  readonly bytes: number;
  /** What every new row writes to it. */
  readonly entryBytes: number;
  readonly scans: number;
  /** It would be redundant once the plan is carried out. */
  readonly later: boolean;
}

/** Reads where everything stands; changes nothing. */
export async function readOverview(
  session: Session,
  migrations: readonly Migration[],
  server: ServerFacts,
  options: PlanOptions & {
    readonly createTables: boolean;
    readonly notify: boolean;
    readonly users: UserNames;
  },
): Promise<Overview> {
  const picture = await readPicture(session, migrations, options.users);
  const chosen = asked(migrations, picture, { notify: options.notify, names: undefined });
  const standings = judgeAll(chosen, picture, options);
  const around = await readSurroundings(session, subjectsOf(migrations));
  const [row] = await session.query<{ database: string }>('SELECT current_database()::text AS database');
  const overviews = standings.map((standing) => overviewOf(standing, picture));
  const costs = overviews.flatMap(({ action, cost }) => (action === 'build' && cost ? [cost] : []));
  return {
    server: { version: server.version, database: row?.database ?? '' },
    tables: picture.tables.map((table) => tableOverview(table, picture)),
    migrations: overviews,
    redundant: redundancies(standings, picture),
    findings: [
      ...judgeWork(standings, server, picture.tables, around, options.createTables),
      ...judgePublications(standings, await readFollowers(session), {
        ...placesOf(picture, session),
        subscribersReady: false,
      }),
      ...judgeInvalid(migrations, picture.indexes, around),
    ],
    disk: {
      bytes: sum(costs.map(({ bytes }) => bytes)),
      // One index is built after the other, and each gives its room back.
      temporaryBytes: Math.max(0, ...costs.map(({ temporaryBytes }) => temporaryBytes)),
      walBytes: sum(costs.map(({ walBytes }) => walBytes)),
    },
  };
}

function tableOverview(table: TableFacts, { indexes }: Picture): TableOverview {
  const { name, bytes, indexBytes } = table;
  const own = indexes.filter((index) => index.table === name);
  return {
    name,
    rows: rowsOf(table),
    analysed: table.rows !== undefined,
    bytes,
    indexBytes,
    indexes: own.length,
  };
}

function overviewOf(standing: Standing, picture: Picture): MigrationOverview {
  const { migration, state, action, coveredBy, detail, wanted, own, parameters } = standing;
  const [name] = migration.tables;
  const table = picture.tables.find((one) => one.name === name);
  const entry = picture.ledger.get(migration.name);
  const works = action === 'run' || action === 'build';
  const sql =
    parameters === undefined || table === undefined
      ? migration.sql
      : `ALTER TABLE ${table.qualifiedName} SET (${formatParameters(parameters)});`;
  return {
    name: migration.name,
    what: migration.what,
    state,
    action,
    ...(coveredBy === undefined ? {} : { coveredBy }),
    ...(detail === undefined ? {} : { detail }),
    ...(works ? { sql } : {}),
    online: migration.online,
    ...(migration.kind !== 'tables' && name !== undefined ? { table: name } : {}),
    ...(wanted !== undefined && table !== undefined ? { cost: estimateIndex(wanted, table) } : {}),
    ...(own === undefined ? {} : { bytes: own.bytes, scans: own.scans }),
    ...(entry === undefined || entry.state === 'building'
      ? {}
      : { appliedAt: entry.at.toISOString(), durationMs: entry.durationMs }),
  };
}

/** Redundant today, and those that will be once what is wanted has been built. */
function redundancies(standings: readonly Standing[], { indexes, tables }: Picture): RedundantOverview[] {
  const ours = new Set(standings.map(({ migration }) => migration.name));
  const built = standings.flatMap(({ action, wanted }) => (action === 'build' && wanted ? [wanted] : []));
  const now = new Set(redundantIndexes(indexes, ours).map(({ index }) => index.name));
  const after = redundantIndexes(
    [...indexes.filter(({ name }) => !built.some((one) => one.name === name)), ...built],
    ours,
  );
  return after.flatMap(({ index, by }) => {
    const table = tables.find(({ name }) => name === index.table);
    if (table === undefined) return [];
    const cost = estimateIndex(index, table);
    return {
      name: index.name,
      by: by.name,
      table: index.table,
      bytes: built.includes(index) ? cost.bytes : index.bytes,
      entryBytes: cost.entryBytes,
      scans: index.scans,
      later: !now.has(index.name),
    };
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
