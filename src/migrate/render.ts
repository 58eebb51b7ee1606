import { channelOf, DEFAULT_OWN, triggerName, type Owned } from '../store/own-schema.js';
import type { Migration } from './files.js';

/** An object of ours, or the schema itself; and not a setting, which stands in quotes: `'carelink.quiet'`. */
const OURS = /(?<!')\bcarelink(?=\.[a-z]|[^\w.-]|$)/g;

/** The name of a trigger up to what it tells. */
const TRIGGER = /\bcarelink_tell_/g;

/**
 * Migrations of a site whose own schema has another name. Files are written for `carelink`, and there nothing changes.
 * Checksums stay those of the files: the ledgers of all sites know a migration by the same.
 */
export function renderFor({ own }: Owned, migrations: readonly Migration[]): readonly Migration[] {
  if (own === DEFAULT_OWN) return migrations;
  const render = (text: string): string =>
    text
      .replace(OURS, own)
      .replace(TRIGGER, triggerName(own, ''))
      .replaceAll(`'${channelOf(DEFAULT_OWN)}'`, `'${channelOf(own)}'`);
  return migrations.map((migration) => ({
    ...migration,
    ...(migration.makes === undefined ? {} : { makes: render(migration.makes) }),
    ...(migration.functions === undefined ? {} : { functions: migration.functions.map(render) }),
    sql: render(migration.sql),
    down: render(migration.down),
  }));
}
