import { randomBytes } from 'node:crypto';
import { readNeededGrants } from '../../src/migrate/index.js';
import { query } from './postgres.js';

export interface GrantedRole {
  readonly name: string;
  /** The database, as this role. */
  readonly url: string;
  drop(): Promise<void>;
}

/** A role that may do exactly what `migrate grants` prints for it, and nothing that PUBLIC has in schema public. */
export async function grantedRole(
  databaseUrl: string,
  commands: readonly ('serve' | 'cleanup' | 'revoke' | 'sessions' | 'doctor')[] = [],
  site: Pick<NonNullable<Parameters<typeof readNeededGrants>[1]>, 'users' | 'tokenTables'> = {},
): Promise<GrantedRole> {
  const name = `tokens "${randomBytes(6).toString('hex')}"`;
  const quoted = `"${name.replaceAll('"', '""')}"`;
  await query(databaseUrl, `CREATE ROLE ${quoted} LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC`);
  const { grants } = await readNeededGrants(databaseUrl, { role: name, commands, ...site });
  for (const { sql } of grants) await query(databaseUrl, sql);
  const url = new URL(databaseUrl);
  url.username = name;
  return {
    name,
    url: url.href,
    drop: async () => {
      await query(databaseUrl, `DROP OWNED BY ${quoted} CASCADE; DROP ROLE ${quoted}`);
    },
  };
}
