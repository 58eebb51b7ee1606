import type { Database } from './database.js';
import { isPrivilegeMissing } from './errors.js';
import { arrayLiteral } from './quote.js';
import type { Owned } from './own-schema.js';

export interface KeptLetter {
  readonly id: string;
  /** SQLSTATE, or why it couldn't be read. */
  readonly code: string;
  readonly entry: string;
  /** Milliseconds since the epoch. */
  readonly refusedAtMs: number;
}

/** The code of a letter that is done with, where the role may not delete it. Nothing of the token is left in it. */
const DONE = 'written';

/** Claims that the database refused to write, kept in carelink.dead_letters until they are written. */
export class DeadLetters {
  readonly #database: Database;
  readonly #table: string;

  constructor(database: Database, { own }: Owned) {
    this.#database = database;
    this.#table = `${own}.dead_letters`;
  }

  /** Whether there is a place for them. */
  async ready(): Promise<boolean> {
    const [row] = await this.#database.query<{ there: boolean }>('health', {
      text: `SELECT to_regclass('${this.#table}') IS NOT NULL AS there`,
    });
    return row?.there === true;
  }

  /** Returns the letter's id; undefined where the same entry is kept already. Rejects with `pg`'s error. */
  async keep(entry: string, code: string): Promise<string | undefined> {
    const text = `INSERT INTO ${this.#table} (code, entry) VALUES ($1, $2)
                  ON CONFLICT (md5(entry)) DO NOTHING RETURNING id`;
    const [row] = await this.#database.query<{ id: string }>('write_behind', {
      name: 'dead_letter',
      text,
      // No NUL can be written, and an entry that can't be read may have one.
      values: [code, entry.replaceAll('\0', '\\0').toWellFormed()],
    });
    return row?.id;
  }

  /** How many there are and the sum of their ids, in one short statement. */
  async fingerprint(): Promise<string> {
    const [row] = await this.#database.query<{ print: string }>('health', {
      name: 'dead_letters_print',
      text: `SELECT count(*) || ' ' || coalesce(sum(id), 0) AS print FROM ${this.#table} WHERE code <> '${DONE}'`,
    });
    return row?.print ?? '';
  }

  async ids(): Promise<string[]> {
    const rows = await this.#database.query<{ id: string }>('health', {
      text: `SELECT id FROM ${this.#table} WHERE code <> '${DONE}' ORDER BY id`,
    });
    return rows.map(({ id }) => id);
  }

  async read(ids: readonly string[]): Promise<KeptLetter[]> {
    const rows = await this.#database.query<Omit<KeptLetter, 'refusedAtMs'> & { refused_ms: string }>(
      'health',
      {
        text: `
        SELECT id, code, entry, (extract(epoch FROM refused_at) * 1000)::bigint AS refused_ms
          FROM ${this.#table}
         WHERE id = ANY($1::bigint[]) AND code <> '${DONE}'
         ORDER BY id`,
        values: [arrayLiteral(ids)],
      },
    );
    return rows.map(({ id, code, entry, refused_ms }) => ({
      id,
      code,
      entry,
      refusedAtMs: Number(refused_ms),
    }));
  }

  /** Whether this role may write what a letter says, and put it away: one that only reads them leaves them to others. */
  async mayRetry(): Promise<boolean> {
    const [row] = await this.#database.query<{ may: boolean }>('health', {
      text: `SELECT has_table_privilege('${this.#table}', 'UPDATE') AS may`,
    });
    return row?.may === true;
  }

  /** They are done with. */
  async remove(ids: readonly string[]): Promise<void> {
    const values = [arrayLiteral(ids)];
    try {
      await this.#database.query('write_behind', {
        text: `DELETE FROM ${this.#table} WHERE id = ANY($1::bigint[])`,
        values,
      });
    } catch (error) {
      if (!isPrivilegeMissing(error)) throw error;
      // What `serve` was said to need in our schema is SELECT, INSERT and UPDATE.
      await this.#database.query('write_behind', {
        text: `UPDATE ${this.#table} SET code = '${DONE}', entry = '${DONE} ' || id WHERE id = ANY($1::bigint[])`,
        values,
      });
    }
  }
}
