import type { Overview, PlannedUndoing, Repair } from '../../migrate/index.js';
import { counted, number, section, size, table, timeRange, widest } from './migrate-words.js';

type Migration = Overview['migrations'][number];

/** `status`: a line for each migration. */
export function statusLines(overview: Overview): string[] {
  const width = widest(overview.migrations.map(({ name }) => name));
  return [
    ...overview.migrations.map((migration) =>
      `${migration.state.padEnd(8)} ${migration.name.padEnd(width)}  ${remarkOn(migration)}`.trimEnd(),
    ),
    ...section(
      'Besides',
      foundLines(overview, ({ code }) => FOR_STATUS.has(code)),
    ),
  ];
}

/** What `status` tells too: why there is nothing to be seen, and what is wrong though no migration is about it. */
const FOR_STATUS: ReadonlySet<Overview['findings'][number]['code']> = new Set([
  'tables_missing',
  'invalid_index',
]);

function foundLines(
  { findings }: Overview,
  wanted: (finding: Overview['findings'][number]) => boolean,
): string[] {
  return findings.filter(wanted).map(({ message }) => `  ${message}`);
}

function remarkOn({ state, action, coveredBy, detail, appliedAt, bytes, scans }: Migration): string {
  const parts = [
    state === 'pending' && coveredBy === undefined
      ? `to be ${action === 'build' ? 'built' : 'done'}`
      : undefined,
    coveredBy === undefined ? undefined : `covered by ${coveredBy}`,
    state === 'pending' && coveredBy !== undefined ? 'to be recorded' : undefined,
    detail,
    state === 'applied' && appliedAt !== undefined
      ? `since ${appliedAt.slice(0, 16).replace('T', ' ')} UTC`
      : undefined,
    state === 'applied' && bytes !== undefined ? `${size(bytes)}, ${counted(scans ?? 0, 'scan')}` : undefined,
  ];
  return parts.filter(Boolean).join('; ');
}

/** `plan`: a page that can be read without having seen the tool before. */
export function planLines(overview: Overview): string[] {
  const { server, tables, migrations, redundant, findings } = overview;
  const work = migrations.filter(({ action }) => action !== 'nothing');
  return [
    `PostgreSQL ${server.version}, database ${server.database}. This is a plan: nothing has been changed.`,
    '',
    ...table(
      ['table', 'rows', 'size', 'indexes'],
      tables.map(({ name, rows, analysed, bytes, indexes, indexBytes }) => [
        name,
        analysed ? `about ${number(rows)}` : `perhaps ${number(rows)} (never analysed)`,
        size(bytes),
        `${indexes}, ${size(indexBytes)}`,
      ]),
    ),
    ...(tables.length > 0 ? [''] : []),
    ...(work.length === 0 ? ['Nothing is to be done.'] : [heading(overview)]),
    ...work.flatMap(stepLines),
    ...section('What it needs', diskLines(overview)),
    ...section('Indexes whose work another one does too (nothing is dropped; that is for you to decide)', [
      ...redundant.map(
        ({ name, by, bytes, entryBytes, scans, later }) =>
          `  ${name} (${size(bytes)}, ${entryBytes} bytes more for every new row, ${counted(scans, 'scan')}): ${by} does all that it does${later ? ', once that is built' : ''}`,
      ),
      ...(redundant.length > 0
        ? ['  An index that Django made may be named in a later migration of Django.']
        : []),
    ]),
    ...section(
      'Invalid indexes',
      foundLines(overview, ({ code }) => code === 'invalid_index'),
    ),
    ...section(
      'What is in the way',
      findings
        .filter(({ code }) => code !== 'invalid_index')
        .map(
          ({ code, severity, message }) =>
            `  ${severity === 'refuse' ? 'stops it' : code === 'published' ? 'note' : 'slows it'}: ${message}`,
        ),
    ),
    ...section('What to run on each subscriber first', subscriberLines(overview)),
  ];
}

/** `down` without a name: what it would undo. */
export function downLines(steps: readonly PlannedUndoing[]): string[] {
  if (steps.length === 0) return ['Nothing is to be undone.'];
  return [
    'What `migrate down` would undo, in this order:',
    ...steps.flatMap(({ name, what, action, detail, sql }) => [
      '',
      `  ${action.padEnd(6)} ${name}`,
      `         ${what}`,
      ...(detail === undefined ? [] : [`         ${detail}`]),
      ...(sql === undefined ? [] : ['', ...statementsOf(sql).map((line) => `           ${line}`)]),
    ]),
    '',
    'Nothing was changed. Add --yes to undo all of it, or name the migrations that are to go.',
  ];
}

/** `repair`. */
export function repairLines(repairs: readonly Repair[], dryRun: boolean): string[] {
  if (repairs.length === 0) return ['The ledger is in order: nothing is to be repaired.'];
  const width = widest(repairs.map(({ name }) => name));
  return [
    ...repairs.map(({ action, name, detail }) => `${action.padEnd(8)} ${name.padEnd(width)}  ${detail}`),
    '',
    dryRun
      ? 'Nothing was changed. Without --dry-run it is written down; then run `carelink-tokens migrate` for what is still to be done.'
      : 'Now run `carelink-tokens migrate`: it does and writes down what is still to be done.',
  ];
}

function heading({ findings }: Overview): string {
  return findings.some(({ severity }) => severity === 'refuse')
    ? '`migrate up` would be refused: see the end. It would do, in this order:'
    : 'What `migrate up` would do, in this order:';
}

function stepLines(migration: Migration): string[] {
  const { name, what, action, coveredBy = '', detail, sql, cost } = migration;
  const [verb, because] = {
    run: ['run', detail],
    build: ['build', detail],
    cover: ['skip', `covered by ${coveredBy}: recorded, not made a second time`],
    adopt: ['record', 'an earlier run built it, and was stopped before it could record that'],
    leave: ['leave', detail],
    nothing: ['', undefined],
  }[action] as [string, string | undefined];
  return [
    '',
    `  ${verb.padEnd(6)} ${name}`,
    `         ${what}`,
    ...(because === undefined ? [] : [`         ${because}`]),
    ...(cost === undefined || action !== 'build' ? [] : costLines(cost).map((line) => `         ${line}`)),
    ...(sql === undefined ? [] : ['', ...statementsOf(sql).map((line) => `           ${line}`)]),
  ];
}

function costLines({ bytes, entryBytes, inserts, buildMs }: NonNullable<Migration['cost']>): string[] {
  const where =
    inserts === 'at_the_end'
      ? 'at the end of the index, on a page that is in memory anyway'
      : 'at any place in the index, much of which wants to stay in memory';
  return [
    `costs about ${size(bytes)} of disk; every new row writes ${entryBytes} bytes more, ${where}`,
    `takes roughly ${timeRange(buildMs)}, and as long as transactions that are open then last; reads and writes go on`,
  ];
}

/** To be pasted into psql there. */
function subscriberLines({ findings }: Overview): string[] {
  return findings.flatMap(({ sql }) => sql?.split('\n').map((line) => `  ${line}`) ?? []);
}

/** Without the comments: they are for who reads the file. */
function statementsOf(sql: string): string[] {
  const lines = sql.split('\n').filter((line) => !line.startsWith('--') && line.trim() !== '');
  // Settings come in one long line. The long lines of functions stay: broken at their commas, their comments would become code.
  return lines.flatMap((line) =>
    line.length > 110 && line.startsWith('ALTER TABLE')
      ? line.replace('(', '(\n  ').replaceAll(', ', ',\n  ').replace(');', '\n);').split('\n')
      : [line],
  );
}

function diskLines({ disk, tables, migrations }: Overview): string[] {
  const built = migrations.filter(({ action }) => action === 'build');
  if (built.length === 0 || disk.bytes === 0) return [];
  const now = tables.reduce((sum, { bytes, indexBytes }) => sum + bytes + indexBytes, 0);
  const perTable = tables.map(({ name, indexes }) => {
    const more = built.filter((one) => one.table === name && one.state !== 'invalid').length;
    return `${name} ${indexes} -> ${indexes + more}`;
  });
  return [
    `  disk    about ${size(disk.bytes)} more for ${counted(built.length, 'index', 'indexes')} (tables and indexes have ${size(now)} now),`,
    `          up to ${size(disk.temporaryBytes)} besides while one is sorted, and ${size(disk.walBytes)} of WAL`,
    `  writes  indexes that each new row goes into: ${perTable.join(', ')}`,
  ];
}
