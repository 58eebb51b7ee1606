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
  // Node has one, too, and there it would keep the process alive.
  const there = typeof document !== 'undefined' && typeof BroadcastChannel !== 'undefined';
  let channel = there ? new BroadcastChannel(name) : undefined;
  channel?.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (isMessage(data)) onMessage(data);
  });
  const post = (message: Message): void => channel?.postMessage(message);
  return {
    post,
    ask: ({ id, generation }) => post({ kind: 'ask', id, generation }),
    close() {
      channel?.close();
      // A message to a closed channel throws.
      channel = undefined;
    },
  };
}

function isMessage(data: unknown): data is Message {
  const { kind, session, id } = (data ?? {}) as Record<string, unknown>;
  return kind === 'session' ? isSession(session) : !!id;
}
