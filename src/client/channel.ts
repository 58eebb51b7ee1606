import { isSession, type Session } from './session.js';

/** What tabs tell each other. Each message names its session; a receiver drops what isn't its own. */
export type Message =
  /** The state of a session after a rotation, or the answer to `ask`. */
  | { readonly kind: 'session'; readonly session: Session }
  /** Who knows this session beyond that generation? */
  | { readonly kind: 'ask'; readonly id: string; readonly generation: number }
  | { readonly kind: 'end'; readonly id: string };

export interface Channel {
  post(message: Message): void;
  /** Whoever knows a later generation answers with it. */
  ask(known: Pick<Session, 'id' | 'generation'>): void;
  close(): void;
}

/** Only pages and workers of the same origin can write into it, and they could do worse; still nothing is trusted. */
export function openChannel(name: string, onMessage: (message: Message) => void): Channel {
  // Node has one, too, and it would keep a server's process alive.
  const channel = typeof document === 'undefined' ? undefined : openBroadcast(name);
  if (channel !== undefined) {
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (isMessage(data)) onMessage(data);
    };
  }
  let open = true;
  // A message to a closed channel throws.
  const post = (message: Message): void => void (open && channel?.postMessage(message));
  return {
    post,
    ask: ({ id, generation }) => post({ kind: 'ask', id, generation }),
    close() {
      open = false;
      channel?.close();
    },
  };
}

function openBroadcast(name: string): BroadcastChannel | undefined {
  return typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(name);
}

function isMessage(data: unknown): data is Message {
  if (typeof data !== 'object' || data === null) return false;
  const { kind, session, id } = data as Record<string, unknown>;
  return kind === 'session'
    ? isSession(session)
    : (kind === 'ask' || kind === 'end') && typeof id === 'string';
}
