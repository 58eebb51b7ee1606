import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupSession } from '../cleanup/session.js';
import { diagnoseConnect, isConnectionError } from '../store/connect-failure.js';
import { NotConnectedError, troubleOf, UncertainCommitError } from '../store/errors.js';
import { RevokeError } from './errors.js';

/** A failover takes half a minute where nobody has changed the defaults; what takes longer is for people to see to. */
const LONGEST_MS = 60_000;
const PAUSE_MS = 1_000;

/** A session that is made anew where it is lost, and how often that was. */
export interface Reconnecting extends CleanupSession {
  readonly losses: () => number;
}

/**
 * Asks again over another connection where one broke, also of a server that is read-only for the moment: a failover, or an administrator who ends
 * sessions. All that a revocation asks can be asked twice. Of a commit whose answer was lost nobody knows whether a standby has
 * it, so whoever was asked twice ends with a commit that is waited for.
 */
export function reconnecting(session: CleanupSession, signal: AbortSignal | undefined): Reconnecting {
  let losses = 0;
  const again = async <T>(ask: () => Promise<T>): Promise<T> => {
    const giveUpMs = performance.now() + LONGEST_MS;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof UncertainCommitError) throw unconfirmed(error);
        // Read-only from the beginning it is another server than was meant; after a loss it may be one that is taking over.
        const takesOver = losses > 0 && troubleOf(error) === 'read only';
        if (!isLost(error) && !takesOver) throw error;
        losses++;
        if (signal?.aborted === true || performance.now() > giveUpMs)
          throw error instanceof NotConnectedError ? error : connectionLost(error);
        await rest(PAUSE_MS, signal);
      }
    }
  };
  return {
    ...session,
    query: (text, values) => again(() => session.query(text, values)),
    look: (work) => again(() => session.look(work)),
    transaction: (begin, work) => again(() => session.transaction(begin, work)),
    losses: () => losses,
  };
}

/** What another try may mend: nobody is there, or no longer there. */
function isLost(error: unknown): boolean {
  const failure = diagnoseConnect(error)?.failure;
  return failure === 'away' || failure === 'full' || isConnectionError(error);
}

/** Sleeps; a signal ends it at once. */
export async function rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

function connectionLost(cause: unknown): RevokeError {
  return new RevokeError(
    'CONNECTION_LOST',
    'The connection to PostgreSQL broke. What was finished is kept; run it again for the rest.',
    { cause },
  );
}

function unconfirmed(cause: unknown): RevokeError {
  return new RevokeError(
    'NOT_CONFIRMED',
    'PostgreSQL has done it, but no synchronous standby has confirmed it: a failover now would undo it. See to the standby, then ' +
      'run it again.',
    { cause },
  );
}
