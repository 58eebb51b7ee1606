import type { ServeSettings } from '../config/settings.js';
import { spends } from '../rotation/policy.js';
import { askOf, type Database } from '../store/database.js';
import type { Health } from '../store/health.js';
import { otherSchemaNow } from '../store/own-change.js';
import { readSchema, readSiteSchema } from '../store/schema.js';
import { allTables, readTokenTablePlaces, tablesThere } from '../store/token-tables.js';
import { toCommandError } from './command-errors.js';
import type { Site } from './stores.js';

/** Something that a server can't go on without has broken for good. */
export class Broken {
  #fail: (error: unknown) => void = () => undefined;
  readonly failed: Promise<never>;

  constructor() {
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.failed.catch(() => undefined);
  }

  because(error: unknown): void {
    this.#fail(error);
  }
}

/**
 * Reads what the site is: with token tables, or without where its operator says so.
 *
 * @param broken is told when there are token tables after all
 * @throws SchemaError
 */
export async function openSite(
  settings: Pick<ServeSettings, 'rotation' | 'users' | 'database' | 'tokens'>,
  database: Database,
  broken: Broken,
): Promise<Site> {
  const users = {
    ...settings.users,
    slidingEnd: settings.tokens.names.slidingEnd,
    mayLackUsers: settings.database.kind === 'embedded',
  };
  if (settings.rotation.tokenTables) return { kind: 'tables', schema: await readSchema(database, users) };
  const schema = await readSiteSchema(askOf(database), users);
  let told = false;
  const onTablesThere = (): void => {
    if (told) return;
    told = true;
    void readTokenTablePlaces(askOf(database))
      .then((places) => allTables(places), () => [])
      .then((there) => broken.because(toCommandError(tablesThere(there), settings.database))); // prettier-ignore
  };
  return { kind: 'tableless', schema, onTablesThere };
}

/** What no server goes on with: the site is another one than it was at the start. */
export function endFor(
  site: Site,
  { database }: Pick<ServeSettings, 'database'>,
  broken: Broken,
): (state: Health) => void {
  return (state) => {
    if (state === 'token tables there' && site.kind === 'tableless') site.onTablesThere();
    if (state === 'other schema' && site.kind === 'tables')
      broken.because(toCommandError(otherSchemaNow(site.schema), database));
  };
}

export function spendsTokens({ rotation }: Pick<ServeSettings, 'rotation'>): boolean {
  return spends(rotation.policy);
}
