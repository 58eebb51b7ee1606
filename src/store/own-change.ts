import type { Ask } from './database.js';
import { lacks, SchemaError } from './errors.js';
import { ownOf } from './home.js';
import type { TokenSchema } from './schema.js';
import { readTokenTablePlaces } from './token-tables.js';

type Served = Pick<TokenSchema, 'own' | 'relations' | 'homeUnwritten'>;

/**
 * Whether the schema of ours that a server works with has been given to another site since it started, or its own site has
 * another one now: what is revoked would be written, and looked for, in the wrong one.
 */
export async function isOtherSchema(ask: Ask, { own, relations, homeUnwritten }: Served): Promise<boolean> {
  const { schema } = relations.outstanding;
  if (!homeUnwritten) {
    try {
      const [home] = await ask<{ schema: string }>(`SELECT schema FROM ${own}.home`);
      return home !== undefined && home.schema !== schema;
    } catch (error) {
      // Taken back by `migrate down`, or hidden: then nobody has given it away.
      if (lacks(error) === undefined) throw error;
      return false;
    }
  }
  // Until the site has one of its own, all of it, it goes on with what it shared: migrate takes over what is revoked there.
  const standing = ownOf(await readTokenTablePlaces(ask), schema);
  if (standing.kind === 'several') return !standing.owns.includes(own);
  return standing.kind === 'own' && standing.written && standing.own !== own;
}

/** Why a server doesn't go on with it. */
export function otherSchemaNow({ own, relations }: Served): SchemaError {
  return new SchemaError(
    'OTHER_SCHEMA',
    `migrate has given the schema ${own} to another site, or the tables in ${relations.outstanding.schema} another schema of ours, ` +
      'since this server was started. Start it again: it then works with the right one.',
  );
}
