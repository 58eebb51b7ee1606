import type pg from 'pg';
import { allRows } from './all-rows.js';
import { leavesConnectionUsable, troubleOf } from './errors.js';

export interface OwnStatementsOptions {
  /** Of each statement, for this process; undefined: the client's own. */
  readonly queryTimeoutMs: number | undefined;
  readonly onStatement: () => void;
  readonly onReadOnly: () => void;
}

/** Statements on a connection that nobody else gets meanwhile, and whether it is of use to somebody else afterwards. */
export class OwnStatements {
  readonly #client: pg.ClientBase;
  readonly #options: OwnStatementsOptions;
  #broken: unknown;

  constructor(client: pg.ClientBase, options: OwnStatementsOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** The first error that leaves the connection of no use; undefined: there was none. */
  get broken(): unknown {
    return this.#broken;
  }

  readonly query = async <Row>(text: string, values?: readonly unknown[]): Promise<Row[]> => {
    const { queryTimeoutMs, onStatement, onReadOnly } = this.#options;
    onStatement();
    try {
      const result = await this.#client.query({
        text,
        ...(values !== undefined && { values: [...values] }),
        ...(queryTimeoutMs !== undefined && { query_timeout: queryTimeoutMs }),
      });
      return allRows<Row>(result);
    } catch (error) {
      if (!leavesConnectionUsable(error)) this.#broken ??= error;
      if (troubleOf(error) === 'read only') onReadOnly();
      throw error;
    }
  };

  /** Sets how long the server lets a statement run. A connection that can't be told so is of no use. */
  async limit(statementTimeoutMs: number): Promise<void> {
    this.#options.onStatement();
    try {
      await this.#client.query(`SET statement_timeout = ${statementTimeoutMs}`);
    } catch (error) {
      this.#broken ??= error;
      throw error;
    }
  }
}
