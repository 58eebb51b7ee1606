import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectionError } from '../store/connect-failure.js';
import type { Connection } from '../store/connector.js';
import { isPrivilegeMissing, NotConnectedError, SchemaError, sqlStateOf } from '../store/errors.js';
import type { UserNames } from '../store/user-source.js';
import { MigrateError } from './errors.js';
import type { MigrateEvent } from './events.js';
import { settleOwn, type Place } from './home.js';
import { withLock } from './lock.js';
import { poolOfOne, refusePooler } from './pooler.js';
import { judgeServer, type ServerFacts } from './preflight.js';
import { openPromptly, promptly } from './promptly.js';
import type { RunContext, Timing } from './run-context.js';
import { openSession, type Session } from './session.js';
import { readServer } from './surroundings.js';
import { DJANGO_USERS } from './user-triggers.js';

export interface ReadOptions {
  /** Of the `NNNN_name.sql` files; the package's own where nothing is said. */
  readonly directory?: string;
}

export interface ChangeOptions extends ReadOptions {
  /** Only these migrations. */
  readonly names?: readonly string[];
  /** How long one try may make live traffic wait behind it for a lock. */
  readonly lockTimeoutMs?: number;
  /** How long others may stand in the way: another runner, a transaction that a build waits for. */
  readonly maxWaitMs?: number;
  readonly onEvent?: (event: MigrateEvent) => void;
  /** Ends the run in good order: a build that is under way is given up and tidied. */
  readonly signal?: AbortSignal;
}

/** A stall of live traffic that nobody notices; the pauses between two tries are ten times that and more. */
const DEFAULT_LOCK_TIMEOUT_MS = 100;

/** A second session is had at once, unless a pool has none to give: waited for as for another run, and no less than this. */
const WATCHER_WAIT_MS = 5_000;

export const APPLICATION_NAME = 'carelink-tokens migrate';

const TIMING: Timing = {
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
  random: Math.random,
};

/** Looks at a database over a session of its own. Changes nothing. */
export async function look<T>(
  connection: Connection,
  place: Place,
  work: (session: Session, server: ServerFacts) => Promise<T>,
): Promise<T> {
  const session = await openSession(connection, APPLICATION_NAME);
  try {
    await fitServer(session);
    const own = session.of(await settleOwn(session, place));
    return await work(own, await fitServer(own));
  } catch (error) {
    throw asMigrateError(error, undefined);
  } finally {
    await session.close();
  }
}

/** Changes a database, under the lock of all runners, with a second session beside the first. */
export async function change<T>(
  connection: Connection,
  options: ChangeOptions & Place & { readonly users?: UserNames },
  work: (run: RunContext, server: ServerFacts) => Promise<T>,
): Promise<T> {
  const { lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS, maxWaitMs, signal } = options;
  const emit = options.onEvent ?? (() => undefined);
  const prompt = {
    timing: TIMING,
    signal,
    onWait: () => emit({ event: 'session_waiting' }),
    limit: undefined,
  };
  const session = await openPromptly(openSession(connection, APPLICATION_NAME), prompt);
  let watcher: Session | undefined;
  try {
    const server = await promptly(fitServer(session), prompt);
    await refuseFence(session);
    if (!server.embedded) {
      const limit = { ms: Math.max(maxWaitMs ?? 0, WATCHER_WAIT_MS), error: poolOfOne };
      watcher = await openPromptly(openSession(connection, `${APPLICATION_NAME} watch`), {
        ...prompt,
        limit,
      });
      await promptly(refusePooler(session, watcher), { ...prompt, limit });
      await watcher.configure();
      await watcher.actAsLogin();
    }
    await session.configure();
    const userTable = options.users ?? DJANGO_USERS;
    const run = { watcher, timing: TIMING, emit, lockTimeoutMs, maxWaitMs, signal, userTable };
    for (;;) {
      const own = session.of(await settleOwn(session, options));
      const done = await withLock(own, run, async () => {
        // Another run may have made a schema of ours meanwhile, and not for this Django.
        if ((await settleOwn(own, options)) !== own.own) return undefined;
        return { value: await work({ ...run, session: own }, await fitServer(own)) };
      });
      if (done !== undefined) return done.value;
    }
  } catch (error) {
    throw asMigrateError(error, signal);
  } finally {
    await watcher?.close();
    await session.close();
  }
}

/** Errors of `pg` may hold values in their details; their messages name objects, and tell what is wrong. */
export function asMigrateError(error: unknown, signal: AbortSignal | undefined): unknown {
  const cause = { cause: error };
  // Whatever it was about to do when the signal came: who interrupts is told so, and by the same exit code.
  if (signal?.aborted === true && !(error instanceof MigrateError && error.code === 'INTERRUPTED')) {
    const more = error instanceof MigrateError ? ` ${error.message}` : '';
    return new MigrateError('INTERRUPTED', `Interrupted. What was finished is kept.${more}`, cause);
  }
  if (error instanceof MigrateError || error instanceof SchemaError || error instanceof NotConnectedError)
    return error;
  if (isConnectionError(error)) {
    return new MigrateError(
      'CONNECTION_LOST',
      'The connection to PostgreSQL broke. What was finished is kept; run it again, and it goes on from there.',
      cause,
    );
  }
  if (sqlStateOf(error) === undefined) return error;
  const { message } = error as Error;
  if (isPrivilegeMissing(error)) {
    const advice = 'Connect as the owner. What was finished before is kept.';
    return new MigrateError('UNSAFE', `PostgreSQL refused it: ${message}. ${advice}`, cause);
  }
  return new MigrateError('MIGRATION_FAILED', `PostgreSQL refused it: ${message}.`, cause);
}

/**
 * A fence around the whole server, as before a switch to another one, stops what writes: serve, revoke and cleanup, and so
 * migrate. That a role or a database has it as its default is overridden: such a role migrates all the same.
 */
async function refuseFence(session: Session): Promise<void> {
  const [row] = await session.query<{ fenced: boolean }>(
    `SELECT setting::boolean AND source NOT IN ('database', 'user', 'database user', 'session', 'client', 'default') AS fenced
       FROM pg_settings WHERE name = 'default_transaction_read_only'`,
  );
  if (row?.fenced !== true) return;
  throw new MigrateError(
    'SERVER_UNFIT',
    'default_transaction_read_only is on for the whole server: somebody has fenced it off, as before a switch to another ' +
      'one. Give the server that takes writes, or lift the fence. Nothing was changed.',
  );
}

async function fitServer(session: Session): Promise<ServerFacts & { readonly embedded: boolean }> {
  const server = await readServer(session);
  const [refusal] = judgeServer(server);
  if (refusal !== undefined) {
    const code = refusal.code === 'no_create_right' ? 'UNSAFE' : 'SERVER_UNFIT';
    throw new MigrateError(code, refusal.message);
  }
  return server;
}
