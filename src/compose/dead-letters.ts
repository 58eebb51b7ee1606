import { createHash } from 'node:crypto';
import { decodeClaim } from '../cache/claim-entry.js';
import { CommandError } from '../config/errors.js';
import type { DeadLettersSettings } from '../config/settings.js';
import type { Claim } from '../rotation/ports.js';
import { askOf } from '../store/database.js';
import { DeadLetters, type KeptLetter } from '../store/dead-letters.js';
import type { PgDatabase } from '../store/pool.js';
import { ORDINARY_DATES, readRowDates } from '../store/row-dates.js';
import { readSchema } from '../store/schema.js';
import { PgWriteBehind } from '../store/write-behind.js';
import { onCommandDatabase } from './command-database.js';
import { ownSchemaOf, readTokenTablePlaces } from '../store/token-tables.js';

/** A letter as it may be shown: no token, and no jti in clear. */
export interface ShownLetter {
  readonly id: string;
  readonly refusedAt: string;
  /** PostgreSQL's code, or UNREADABLE. */
  readonly code: string;
  /** Twelve digits of the jti's SHA-256; undefined: nobody can read the letter. */
  readonly jtiDigest: string | undefined;
  readonly user: string | undefined;
  /** When the token that it spends expires by itself. */
  readonly expiresAt: string | undefined;
}

/** `left`: written, and a server is to deal with what follows from it: it was logged out or spent meanwhile. */
export type Retried =
  | { readonly id: string; readonly result: 'written' | 'left' | 'unreadable' }
  | { readonly id: string; readonly result: 'refused'; readonly code: string };

export interface LetterDesk {
  /** Those that were asked for; all where none were. */
  list(): Promise<readonly ShownLetter[]>;
  retry(): Promise<readonly Retried[]>;
  /** Returns how many are gone. */
  drop(): Promise<number>;
}

const STATEMENT_TIMEOUT_MS = 60_000;

/** A row that is locked is waited for so long. */
const WRITE_TIMEOUT_MS = 30_000;

const PAGE = 500;

/**
 * Does the work of the command `dead-letters` on its database.
 *
 * @throws CommandError with what to do about it
 */
export async function onDeadLetters<T>(
  settings: DeadLettersSettings,
  work: (desk: LetterDesk) => Promise<T>,
): Promise<T> {
  return onCommandDatabase(
    settings.database,
    { command: 'dead-letters', size: 3, statementTimeoutMs: STATEMENT_TIMEOUT_MS },
    async (database) => work(await openDesk(settings, database)),
  );
}

async function openDesk(settings: DeadLettersSettings, database: PgDatabase): Promise<LetterDesk> {
  const owned = ownSchemaOf(await readTokenTablePlaces(askOf(database)));
  const box = new DeadLetters(database, owned);
  if (!(await box.ready())) {
    throw new CommandError(
      'CARELINK_SCHEMA_MISSING',
      4,
      `This database has no table ${owned.own}.dead_letters. Run \`carelink-tokens migrate\` on it first.`,
    );
  }
  const read = async (): Promise<KeptLetter[]> => {
    const ids = settings.ids ?? (await box.ids());
    const letters: KeptLetter[] = [];
    for (let at = 0; at < ids.length; at += PAGE) letters.push(...(await box.read(ids.slice(at, at + PAGE))));
    return letters;
  };
  return {
    list: async () => (await read()).map(shown),
    async retry() {
      const schema = await readSchema(database, { ...settings.users, mayLackUsers: true });
      const dates = (await readRowDates(askOf(database), schema)) ?? ORDINARY_DATES;
      const writer = new PgWriteBehind({
        database,
        schema,
        dates: () => dates,
        maxQueued: 2 * PAGE,
        monotonicMs: () => performance.now(),
        random: Math.random,
        onBatch: () => undefined,
      });
      const letters = await read();
      const retried: Retried[] = [];
      for (let at = 0; at < letters.length; at += PAGE) {
        const page = await Promise.all(
          letters.slice(at, at + PAGE).map((letter) => retryOne(letter, writer)),
        );
        await box.remove(page.filter(({ result }) => result === 'written').map(({ id }) => id));
        retried.push(...page);
      }
      return retried;
    },
    async drop() {
      const ids = (await read()).map(({ id }) => id);
      if (ids.length > 0) await box.remove(ids);
      return ids.length;
    },
  };
}

async function retryOne({ id, entry }: KeptLetter, writer: PgWriteBehind): Promise<Retried> {
  const claim = decodeClaim(entry);
  if (claim === undefined) return { id, result: 'unreadable' };
  const written = await writer.write(claim, performance.now() + WRITE_TIMEOUT_MS);
  if (written.kind === 'refused') return { id, result: 'refused', code: written.code };
  // What follows from the others takes the keys of a family, and Redis: a server has them, and the letter waits for it.
  const settled = written.stands && (written.kind === 'written' || written.kind === 'redelivered');
  return { id, result: settled ? 'written' : 'left' };
}

function shown({ id, code, entry, refusedAtMs }: KeptLetter): ShownLetter {
  const claim: Claim | undefined = decodeClaim(entry);
  return {
    id,
    refusedAt: new Date(refusedAtMs).toISOString(),
    code,
    jtiDigest: claim && createHash('sha256').update(claim.jti).digest('hex').slice(0, 12),
    user: claim?.userKey,
    expiresAt: claim && new Date(claim.expiresAtSeconds * 1000).toISOString(),
  };
}
