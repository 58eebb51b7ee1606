import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MigrateError } from './errors.js';

/**
 * `schema`: objects of our own. `tables`: simplejwt's tables; where they exist already, they cover it.
 * `index`: one index, built CONCURRENTLY. `settings`: storage parameters of one table. `triggers`: functions of ours,
 * and triggers that call them; its SQL replaces what is there. `functions`: functions that a site calls; likewise.
 */
export type MigrationKind = 'schema' | 'tables' | 'index' | 'settings' | 'triggers' | 'functions';

/** One file of `migrations/`. */
export interface Migration {
  /** What the ledger knows it by; for an index, the index's own name. */
  readonly name: string;
  readonly file: string;
  readonly what: string;
  /** Runs beside live traffic, outside a transaction. */
  readonly online: boolean;
  readonly kind: MigrationKind;
  /** Applied only where it is asked for (`--notify`), or was before. */
  readonly optional: boolean;
  /** What it makes, or what its index or its settings are of. */
  readonly tables: readonly string[];
  /** The table of our own that a schema migration makes. */
  readonly makes?: string;
  /** The functions that it makes, with the types of their arguments. */
  readonly functions?: readonly string[];
  readonly sql: string;
  /** Undoes it. */
  readonly down: string;
  /** Of the SQL without comments and layout: a better comment is no other migration. */
  readonly checksum: string;
}

const KINDS: readonly MigrationKind[] = ['schema', 'tables', 'index', 'settings', 'triggers', 'functions'];

/** They are about our own schema: no table of Django's is named. */
const OF_OUR_OWN: readonly MigrationKind[] = ['schema', 'functions'];

const CREATES_INDEX = /^(--.*\n|\s)*CREATE (UNIQUE )?INDEX CONCURRENTLY \w+\s+ON \w+[^;]*;$/;

/** Beside `src/` and beside `dist/` alike. */
export const MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../../migrations', import.meta.url));

/** Reads `NNNN_name.sql` in the order of their numbers. */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const migrations = await Promise.all(
    names.map(async (name) => parseMigration(name, await readFile(`${directory}/${name}`, 'utf8'))),
  );
  const numbers = migrations.map(({ file }) => file.slice(0, 4));
  const twice = numbers.find((number, at) => numbers.indexOf(number) !== at);
  if (twice !== undefined) {
    throw new MigrateError('MIGRATION_FILE', `Two migrations have the number ${twice} in ${directory}.`);
  }
  return migrations;
}

/**
 * The header is the comment a file begins with: `-- key: value`, and further lines of a value indented under it.
 * `name`, `what`, `kind`, `online` (yes or no, and why) and `down` are there always; `makes` for a schema or functions, and
 * `tables` for all else; `only` says when it is applied at all.
 */
export function parseMigration(file: string, text: string): Migration {
  const fail = (what: string): never => {
    throw new MigrateError('MIGRATION_FILE', `migrations/${file}: ${what}.`);
  };
  const stem = /^\d{4}_(\w+)\.sql$/.exec(file)?.[1] ?? fail('the name of a migration is NNNN_name.sql');
  const { header, body } = splitHeader(text);
  const field = (key: string): string => header.get(key) ?? fail(`the header lacks "${key}:"`);
  const name = field('name');
  if (name !== stem) fail(`the header's name is ${name}`);
  const online = /^(yes|no)\b/.exec(field('online'))?.[1] ?? fail('"online:" begins with yes or no');
  const kind = KINDS.find((one) => one === field('kind')) ?? fail(`"kind:" is one of ${KINDS.join(', ')}`);
  const tables = OF_OUR_OWN.includes(kind) ? [] : field('tables').split(/,\s*/);
  if ((kind === 'index' || kind === 'settings') && tables.length !== 1) fail('it is about exactly one table');
  const sql = body.trim();
  if (kind === 'index' && !CREATES_INDEX.test(sql)) fail('an index is one CREATE INDEX CONCURRENTLY');
  return {
    name,
    file,
    what: field('what'),
    online: online === 'yes',
    kind,
    optional: header.has('only'),
    tables,
    ...(kind === 'schema' ? { makes: field('makes') } : {}),
    ...(kind === 'functions' ? { functions: field('makes').split(/(?<=\)),\s*/) } : {}),
    sql,
    down: field('down'),
    checksum: checksumOf(sql),
  };
}

function splitHeader(text: string): { header: Map<string, string>; body: string } {
  const lines = text.split(/\r?\n/);
  const end = lines.findIndex((line) => !line.startsWith('--'));
  const header = new Map<string, string>();
  let key: string | undefined;
  for (const line of lines.slice(0, end < 0 ? lines.length : end)) {
    const [, newKey, value = ''] = /^-- (\w+): *(.*)$/.exec(line) ?? [];
    const more = line.replace(/^--\s*/, '');
    if (newKey !== undefined) header.set((key = newKey), value.trim());
    else if (key !== undefined) header.set(key, `${header.get(key) ?? ''} ${more}`.trim());
  }
  return { header, body: lines.slice(end < 0 ? lines.length : end).join('\n') };
}

/** SHA-256 of the SQL without comment lines, its whitespace collapsed. */
export function checksumOf(sql: string): string {
  const bare = sql
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n')
    .replace(/\s+/g, ' ')
    .trim();
  return createHash('sha256').update(bare).digest('hex');
}
