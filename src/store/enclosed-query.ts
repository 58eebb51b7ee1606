import pg from 'pg';

/** The part of pg's connection that speaks the extended protocol. */
interface Wire {
  parse(message: { readonly text: string; readonly name: string }): void;
  bind(message: {
    readonly portal: string;
    readonly statement: string;
    readonly values: readonly unknown[];
  }): void;
  execute(message: { readonly portal: string; readonly rows: number }): void;
  sync(): void;
}

type Callback = (error: Error | null, result: pg.QueryResult | readonly pg.QueryResult[]) => void;

/** What pg's own query does, as far as it is used here. */
const Query = pg.Query as unknown as new (
  config: { readonly text: string; readonly values: readonly unknown[]; readonly queryMode: 'extended' },
  values: undefined,
  callback: Callback,
) => { prepare(wire: Wire): void; submit(wire: Wire): unknown };

/**
 * A statement with others before and after it, all sent at once and answered at once: a transaction in one round trip.
 * PostgreSQL runs them in order, and after an error none of the rest; a pooler gives them all the same session.
 *
 * The statement's own rows are those of the result before the last. Nothing here is prepared by name: in transaction
 * mode the next transaction has another session, which doesn't know the name.
 */
export class EnclosedQuery extends Query {
  readonly #before: readonly string[];
  readonly #after: string;

  constructor(
    config: { readonly text: string; readonly values: readonly unknown[] },
    around: { readonly begin: readonly string[]; readonly end: string },
    callback: Callback,
  ) {
    super({ ...config, queryMode: 'extended' }, undefined, callback);
    this.#before = around.begin;
    this.#after = around.end;
  }

  override prepare(wire: Wire): void {
    for (const text of this.#before) run(wire, text);
    // Its own prepare ends with the sync that ends the transaction's messages: ours come before that.
    const sync = (): void => {
      run(wire, this.#after);
      wire.sync();
    };
    super.prepare({
      parse: (message) => wire.parse(message),
      bind: (message) => wire.bind(message),
      execute: (message) => wire.execute(message),
      sync,
      ...handing(wire),
    });
  }
}

/** What else pg's query asks of a connection. */
function handing(wire: Wire): object {
  const all = wire as unknown as Record<string, unknown> & {
    describe(message: object): void;
    close(message: object): void;
  };
  return {
    parsedStatements: all['parsedStatements'],
    submittedNamedStatements: all['submittedNamedStatements'],
    describe: (message: object) => all.describe(message),
    close: (message: object) => all.close(message),
  };
}

function run(wire: Wire, text: string): void {
  wire.parse({ text, name: '' });
  wire.bind({ portal: '', statement: '', values: [] });
  wire.execute({ portal: '', rows: 0 });
}

/**
 * Ends a transaction that failed. An error at COMMIT has ended it already, and nothing is wrong with saying it again; a
 * pooler in statement mode ends the connection instead.
 */
export function isRolledBack(client: pg.ClientBase): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}
