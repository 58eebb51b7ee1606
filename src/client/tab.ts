import type { Channel } from './channel.js';
import type { IdleClock } from './idle-clock.js';
import { ENDED, type Entry, type Ledger } from './ledger.js';
import type { Emit, SignedOutWhere } from './events.js';
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
  readonly over: (id: string, how: Over) => unknown;
  /** Whether a log-out of this session is yet to be told to the server. */
  readonly owes: (id: string) => boolean;
  /** The automatic log-off, where there is one. */
  readonly idle: IdleClock | undefined;
  readonly emit: Emit;
}

export type Over = SignedOutWhere | 'expired';

/** Reads what became of a session meanwhile: an end is taken over at once, and later tokens are asked for. */
export async function catchUp(
  tab: TabParts,
  session: Pick<Session, 'id' | 'generation'>,
): Promise<Entry | undefined> {
  const entry = await tab.ledger.read(session.id);
  // First: the last input of a session that has ended is long ago, too, and an end is told of once.
  if (entry?.generation === ENDED || tab.owes(session.id)) tab.over(session.id, 'elsewhere');
  else if (await tab.idle?.isOver(session.id)) tab.over(session.id, 'idle');
  else if (!entry || entry.generation > session.generation) tab.channel.ask(session);
  return entry;
}
