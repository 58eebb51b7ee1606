import type { Database } from './database.js';
import { SchemaError } from './errors.js';

/** Claims that the database refuses to write: kept in carelink.dead_letters, once each. */
export class DeadLetters {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws SchemaError where there is no place for them */
  async check(): Promise<void> {
    const [row] = await this.#database.query<{ there: boolean }>('health', {
      text: `SELECT to_regclass('carelink.dead_letters') IS NOT NULL AS there`,
    });
    if (row?.there === true) return;
    throw new SchemaError(
      'CARELINK_SCHEMA_MISSING',
      'Asynchronous blacklisting needs the table carelink.dead_letters. Run `carelink-tokens migrate` on this database first.',
    );
  }

  /** Rejects with `pg`'s error. */
  async keep(entry: string, code: string): Promise<void> {
    const text = `INSERT INTO carelink.dead_letters (code, entry) VALUES ($1, $2) ON CONFLICT (md5(entry)) DO NOTHING`;
    // No NUL can be written, and an entry that can't be read may have one.
    await this.#database.query('write_behind', {
      name: 'dead_letter',
      text,
      values: [code, entry.replaceAll('\0', '\\0').toWellFormed()],
    });
  }
}
