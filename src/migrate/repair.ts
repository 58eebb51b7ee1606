import { interchangeable, shortfall } from './coverage.js';
import type { Migration } from './files.js';
import { createLedger, ledgerSql, record, type NewEntry } from './ledger.js';
import { readPicture, type Picture } from './picture.js';
import { nextAside, scratchOf } from './repair-names.js';
import { formatParameters } from './plan-settings.js';
import { renderFor } from './render.js';
import type { RunContext } from './run-context.js';
import type { Session } from './session.js';

/** What `repair` does about one migration, or would. */
export interface Repair {
  readonly name: string;
  /** `record`: it is there, and the ledger lacks it. `correct`: the ledger has it otherwise. `cannot`: see the detail. */
  readonly action: 'record' | 'correct' | 'cannot';
  readonly detail: string;
}

type Planned = Repair & { readonly entry?: NewEntry };

const LEDGER = 'the ledger';

/** What would be done. Changes nothing. */
export async function planRepair(session: Session, files: readonly Migration[]): Promise<Repair[]> {
  if (await isAltered(session, files)) return [putAside(session, await nextAside(session))];
  return (await plan(session, files)).map(told);
}

/** Writes down what is there. To be called under the lock of all runners. */
export async function repair({ session }: RunContext, files: readonly Migration[]): Promise<Repair[]> {
  const aside = (await isAltered(session, files)) ? await nextAside(session) : undefined;
  if (aside !== undefined) await session.query(`ALTER TABLE ${session.own}.migrations RENAME TO ${aside}`);
  const planned = await plan(session, files);
  if (planned.some(({ entry }) => entry !== undefined)) await createLedger(session);
  await session.transaction(async () => {
    for (const { entry } of planned) if (entry !== undefined) await record(session, entry);
  });
  return [...(aside === undefined ? [] : [putAside(session, aside)]), ...planned.map(told)];
}

const told = ({ name, action, detail }: Planned): Repair => ({ name, action, detail });

const putAside = ({ own }: Session, aside: string): Repair => ({
  name: LEDGER,
  action: 'correct',
  detail: `${own}.migrations has other columns than a ledger: it becomes ${own}.${aside}, and is written anew`,
});

async function plan(session: Session, files: readonly Migration[]): Promise<Planned[]> {
  const migrations = renderFor(session, files);
  const shapes = await readShapes(session, files);
  const picture = await readPicture(session, migrations);
  return migrations.flatMap((migration) => judge(migration, picture, shapes) ?? []);
}

function judge(migration: Migration, picture: Picture, shapes: Shapes): Planned | undefined {
  switch (migration.kind) {
    case 'schema':
      return judgeSchema(migration, picture, shapes);
    case 'index':
      return judgeIndex(migration, picture);
    case 'settings':
      return judgeSettings(migration, picture);
    case 'triggers':
      return judgeTriggers(migration, picture);
    case 'tables':
    case 'functions':
      // `up` writes down that they are there, and makes functions anew.
      return undefined;
  }
}

function judgeSchema(
  { name, makes = '', checksum }: Migration,
  { ledger, ours }: Picture,
  shapes: Shapes,
): Planned | undefined {
  const entry = ledger.get(name);
  if (!ours.has(makes) || entry?.checksum === checksum) return undefined;
  const differs = shapes.differing.get(makes);
  if (differs !== undefined) {
    const detail =
      `${makes} is not the table that this release makes (${differs}). Save what is in it, give it these columns or drop it, ` +
      'and run this again.';
    return { name, action: 'cannot', detail };
  }
  return {
    name,
    action: entry === undefined ? 'record' : 'correct',
    detail: `${makes} is there, with the columns that it should have`,
    entry: { name, checksum, state: 'applied' },
  };
}

function judgeIndex(
  { name, checksum }: Migration,
  { ledger, indexes, wanted }: Picture,
): Planned | undefined {
  const entry = ledger.get(name);
  const own = indexes.find((index) => index.name === name);
  const want = wanted.get(name);
  // Of one that the ledger lacks nobody knows who made it: `up` notes that it is there, and `down` leaves it.
  if (entry?.state !== 'applied' || own?.valid !== true || want?.kind !== 'index') return undefined;
  if (entry.checksum === checksum && entry.definition === own.definition) return undefined;
  const lacks = shortfall(want.index, own);
  if (lacks !== undefined) {
    const detail = `it is another index than it should be (${lacks}): rename it, and \`migrate up\` builds the right one beside it`;
    return { name, action: 'cannot', detail };
  }
  const how = interchangeable(want.index, own) ? 'does the work that it should' : 'does more than it should';
  return {
    name,
    action: 'correct',
    detail: `it ${how}: "${own.definition}"`,
    entry: { name, checksum, state: 'applied', definition: own.definition },
  };
}

function judgeSettings(
  { name, checksum, tables: [name0] }: Migration,
  { ledger, tables, wanted }: Picture,
): Planned | undefined {
  const entry = ledger.get(name);
  const table = tables.find((one) => one.name === name0);
  const want = wanted.get(name);
  if (entry?.state !== 'applied' || entry.checksum === checksum) return undefined;
  if (table === undefined || want?.kind !== 'settings') return undefined;
  const asWanted = [...want.parameters].filter(([key, value]) => table.parameters.get(key) === value);
  const definition = formatParameters(new Map(asWanted));
  return {
    name,
    action: 'correct',
    detail:
      asWanted.length === 0 ? 'none of its settings is as it should be' : `as it should be: ${definition}`,
    entry: { name, checksum, state: 'applied', definition },
  };
}

/** No file has it: `up` makes the triggers anew, whatever release they are of. */
const UNKNOWN_CHECKSUM = 'unknown';

function judgeTriggers({ name }: Migration, { ledger, triggers }: Picture): Planned | undefined {
  if (triggers.length === 0 || ledger.has(name)) return undefined;
  return {
    name,
    action: 'record',
    detail: 'its triggers are there; `migrate up` makes them anew',
    entry: { name, checksum: UNKNOWN_CHECKSUM, state: 'applied', definition: '' },
  };
}

interface Shapes {
  /** Tables of ours that are not as files make them, and how they differ. */
  readonly differing: ReadonlyMap<string, string>;
}

/** Makes our tables where they are rolled back, and compares them with those that are there. */
async function readShapes(session: Session, files: readonly Migration[]): Promise<Shapes> {
  const scratch = await scratchOf(session);
  const rows = await session.rehearse(async () => {
    if (scratch.sql !== undefined) await session.query(scratch.sql);
    await session.query(ledgerSql(scratch.own));
    for (const { sql } of renderFor(scratch, files).filter(({ kind }) => kind === 'schema'))
      await session.query(sql);
    return session.query<{ table: string; differs: string }>(
      `WITH columns AS (
         SELECT n.nspname <> $1 AS scratch, c.relname, a.attname,
                format('%s %s%s', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END) AS shape
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v')
           JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE (n.nspname = $1 OR n.oid = coalesce(to_regnamespace($2), pg_my_temp_schema())) AND a.attnum > 0 AND NOT a.attisdropped
       )
       SELECT w.relname::text AS table,
              string_agg(format('%s, and it has %s', w.shape, coalesce(h.shape, 'no such column')), '; ' ORDER BY w.attname) AS differs
         FROM columns w
         LEFT JOIN columns h ON NOT h.scratch AND h.relname = w.relname AND h.attname = w.attname
        WHERE w.scratch AND w.shape IS DISTINCT FROM h.shape
          AND EXISTS (SELECT FROM columns t WHERE NOT t.scratch AND t.relname = w.relname)
        GROUP BY w.relname`,
      [session.own, scratch.own],
    );
  });
  return { differing: new Map(rows.map(({ table, differs }) => [`${session.own}.${table}`, differs])) };
}

async function isAltered(session: Session, files: readonly Migration[]): Promise<boolean> {
  return (await readShapes(session, files)).differing.has(`${session.own}.migrations`);
}
