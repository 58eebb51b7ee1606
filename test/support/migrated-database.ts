import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { applyMigrations } from '../../src/migrate/index.js';
import {
  createSimplejwtTables,
  freshDatabase,
  openClient,
  query,
  type FreshDatabase,
  type TableOptions,
} from './postgres.js';
import { services } from './services.js';

export interface MigratedOptions extends TableOptions {
  /** With the triggers of `migrate --notify`. */
  readonly notify?: boolean;
}

/**
 * A database with simplejwt's tables, and migrated, on the shared PostgreSQL or on the one at `adminUrl`. It is a copy of one
 * that is made once a run, for all that migrations do costs five times as much as a copy.
 */
export async function migratedDatabase(
  options: MigratedOptions = {},
  adminUrl: string | undefined = services().postgres,
): Promise<FreshDatabase> {
  if (adminUrl === undefined)
    throw new Error('No PostgreSQL here: skip with services().postgres === undefined.');
  const template = await templateOf(adminUrl, options);
  const database = await freshDatabase(adminUrl, { template });
  // It is no copy of the others to anybody who asks.
  await query(database.url, 'UPDATE carelink.identity SET id = gen_random_uuid()');
  return database;
}

/** Set by global-setup.ts, which drops what has this name in front when the run is over. */
export const TEMPLATES_VARIABLE = 'TEST_TEMPLATES';

export function newTemplatesPrefix(): string {
  return `carelink_template_${randomBytes(4).toString('hex')}`;
}

export async function dropTemplates(adminUrl: string, prefix: string): Promise<void> {
  const found = await query<{ datname: string }>(
    adminUrl,
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [prefix],
  );
  for (const { datname } of found) await query(adminUrl, `DROP DATABASE ${datname} WITH (FORCE)`);
}

/** By where they are and what is in them. */
const made = new Map<string, Promise<string>>();

function templateOf(adminUrl: string, { notify = false, ...tables }: MigratedOptions): Promise<string> {
  const content = JSON.stringify([notify, Object.entries(tables).sort()]);
  const key = createHash('sha256').update(content).digest('hex');
  const name = `${process.env[TEMPLATES_VARIABLE]}_${key.slice(0, 8)}`;
  const at = `${adminUrl} ${name}`;
  let making = made.get(at);
  if (making === undefined) made.set(at, (making = makeTemplate(adminUrl, name, { ...tables, notify })));
  return making;
}

/** One process of the run makes it, and the others wait. */
async function makeTemplate(adminUrl: string, name: string, options: MigratedOptions): Promise<string> {
  const admin = await openClient(adminUrl);
  try {
    await admin.query('SELECT pg_advisory_lock(hashtext($1))', [name]);
    const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await fillTemplate(admin, adminUrl, name, options);
    return name;
  } finally {
    await admin.end();
  }
}

async function fillTemplate(
  admin: pg.Client,
  adminUrl: string,
  name: string,
  { notify = false, ...tables }: MigratedOptions,
): Promise<void> {
  const { url } = await freshDatabase(adminUrl);
  await createSimplejwtTables(url, tables);
  await applyMigrations(url, { createTables: false, notify });
  const filled = new URL(url).pathname.slice(1);
  // Nobody may be connected to what is copied, or renamed.
  await admin.query(`ALTER DATABASE ${filled} ALLOW_CONNECTIONS false`);
  await admin.query('SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1', [
    filled,
  ]);
  await admin.query(`ALTER DATABASE ${filled} RENAME TO ${name}`);
}
