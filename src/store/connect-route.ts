import type pg from 'pg';
import { diagnoseConnect, NotWritableError } from './connect-failure.js';
import { isLoopback, isSocket, type DatabaseHost, type DatabaseTarget } from './database-url.js';
import { NotConnectedError } from './errors.js';

/** One way to the database. */
export interface Attempt {
  readonly host: DatabaseHost;
  readonly tls: boolean;
}

/**
 * The ways to a database in libpq's order: its hosts, and with TLS or without where sslmode leaves that open. The way
 * that led there is kept until it fails (rule 35).
 */
export class ConnectRoute {
  readonly #attempts: readonly Attempt[];
  readonly #wanted: 'any' | 'read-write' | 'primary';
  readonly #passwords: DatabaseTarget['passwordSource'];
  #current = 0;

  constructor({ hosts, sslMode, targetSessionAttrs, passwordSource }: DatabaseTarget) {
    this.#passwords = passwordSource;
    this.#attempts = hosts.flatMap((host) => ways(host, sslMode).map((tls) => ({ host, tls })));
    // We write: of several hosts the first that answers isn't the one, whatever libpq takes by default.
    this.#wanted = targetSessionAttrs ?? (hosts.length > 1 ? 'read-write' : 'any');
  }

  get current(): Attempt {
    return this.#attempts[this.#current] as Attempt;
  }

  /**
   * Opens a connection by the current way, and by the others where that fails for a reason that may be none there.
   *
   * @throws NotConnectedError of the failure that says most
   */
  async through<T>(open: (attempt: Attempt) => Promise<T>): Promise<T> {
    const tried = new Set<number>();
    const failures: NotConnectedError[] = [];
    for (;;) {
      const index = this.#current;
      const attempt = this.current;
      tried.add(index);
      try {
        return await open(attempt);
      } catch (error) {
        const failure = new NotConnectedError('no connection to PostgreSQL', { cause: error }, attempt.host);
        if (diagnoseConnect(failure)?.failure === 'password_refused') this.#passwords?.refused();
        failures.push(failure);
        const next = this.#next(failure, index, tried);
        if (next === undefined) {
          if (this.#current === index) this.#current = 0;
          throw telling(failures);
        }
        // Another one that failed may have moved on already.
        if (this.#current === index) this.#current = next;
        if (tried.has(this.#current)) this.#current = next;
      }
    }
  }

  /** @throws NotWritableError */
  async accept(client: pg.ClientBase): Promise<void> {
    if (this.#wanted === 'any') return;
    const { rows } = await client.query<{ standby: boolean; read_only: string }>(
      "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS read_only",
    );
    const [found] = rows;
    if (found?.standby === true) throw new NotWritableError('standby');
    if (this.#wanted === 'read-write' && found?.read_only === 'on') throw new NotWritableError('read only');
  }

  #next(failure: NotConnectedError, index: number, tried: ReadonlySet<number>): number | undefined {
    const reason = leadsTo(failure);
    if (reason === 'end') return undefined;
    const count = this.#attempts.length;
    const others = Array.from({ length: count - 1 }, (_, n) => (index + 1 + n) % count);
    const host = this.#attempts[index]?.host;
    return others.find(
      (other) => !tried.has(other) && (this.#attempts[other]?.host === host) === (reason === 'other way'),
    );
  }
}

/** With TLS or without, in the order in which they are tried. */
function ways(host: DatabaseHost, mode: DatabaseTarget['sslMode']): readonly boolean[] {
  if (isSocket(host) || mode === 'disable') return [false];
  if (mode === 'allow' || (mode === undefined && isLoopback(host))) return [false, true];
  return mode === 'prefer' || mode === undefined ? [true, false] : [true];
}

/** What is tried after a failure, as libpq does: a refused password is refused by the next host, too. */
function leadsTo(failure: NotConnectedError): 'other way' | 'other host' | 'end' {
  if (failure.cause instanceof NotWritableError) return 'other host';
  // A wait for a connection of the pool's is no connect.
  if (failure.cause instanceof Error && /^timeout exceeded when/.test(failure.cause.message)) return 'end';
  switch (diagnoseConnect(failure)?.failure) {
    case 'away':
      return 'other host';
    case 'host_refused':
    case 'client_certificate':
    case 'tls_unsupported':
    case 'tls_untrusted':
    case 'tls_failed':
      return 'other way';
    default:
      return 'end';
  }
}

/** Of all that failed: somebody's answer before nobody's, and the first of these. */
function telling(failures: readonly NotConnectedError[]): NotConnectedError {
  const rank = (error: NotConnectedError): number => {
    const found = diagnoseConnect(error)?.failure;
    if (found === 'tls_unsupported') return 3;
    if (found === 'away') return 2;
    // Without TLS a server may only say that it has no line for that.
    return found === 'host_refused' ? 1 : 0;
  };
  return [...failures].sort((a, b) => rank(a) - rank(b))[0] as NotConnectedError;
}
