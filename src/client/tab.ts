import type { Channel } from './channel.js';
import type { TokenError } from './errors.js';
import { ENDED, type Entry, type Ledger } from './ledger.js';
import type { Session } from './session.js';
import type { SessionState } from './state.js';

/** What a tab knows of its session, where it hears of it from others, and whom it tells. */
export interface TabParts {
  readonly state: SessionState;
  readonly ledger: Ledger;
  readonly channel: Channel;
  /** Of the Web Lock under which a refresh or a log-out is made; the worker's, and its ledger's, too. */
  readonly lockName: string;
  /** Aborted by dispose(). */
  readonly gone: AbortSignal;
  /** How long one refresh goes on trying, and a request waits for it. */
  readonly patienceMs: number;
  /** The session was logged out, in this tab or another, or its last token was refused or lost. */
  readonly over: (id: string, how: 'here' | 'elsewhere' | 'expired') => void;
  /** A refresh has failed, or one try of it that is to be repeated. */
  readonly failed: (error: TokenError | undefined, retryInMs?: number) => void;
}

/** Reads what became of a session meanwhile: an end is taken over at once, and later tokens are asked for. */
export async function catchUp(tab: TabParts, session: Session): Promise<Entry | undefined> {
  const entry = await tab.ledger.read(session.id);
  if (entry?.generation === ENDED) tab.over(session.id, 'elsewhere');
  else if (!entry || entry.generation > session.generation) tab.channel.ask(session);
  return entry;
}
