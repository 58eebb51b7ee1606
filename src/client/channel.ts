import { isSession, type Session } from './session.js';

/** What tabs tell each other. Each message names its session; a receiver drops what isn't its own. */
export type Message =
  /** The state of a session after a rotation, or the answer to `ask`. */
  | { readonly kind: 'session'; readonly session: Session }
  /** Who knows this session beyond that generation? */
  | { readonly kind: 'ask'; readonly id: string; readonly generation: number }
  | { readonly kind: 'end'; readonly id: string }
  /** No refresh for that long: one of us tries again for all, who would otherwise each do so. */
  | { readonly kind: 'rest'; readonly id: string; readonly retryInMs: number }
  /** The server knows of that log-out. */
  | { readonly kind: 'paid'; readonly id: string };

export interface Channel {
  post(message: Message): void;
  /** Whoever knows a later generation answers with it. */
  ask(known: Pick<Session, 'id' | 'generation'>): void;
  close(): void;
}

/** Only pages and workers of the same origin can write into it, and they could do worse; still nothing is trusted. */
export function openChannel(name: string, onMessage: (message: Message) => void): Channel {
  let channel: BroadcastChannel | undefined;
  try {
    // Node has one, too, and there it would keep the process alive.
    if (name) channel = new BroadcastChannel(name);
  } catch {
    // It may be missing, or refused: then each tab is alone.
  }
  channel?.addEventListener('message', ({ data }: MessageEvent<Record<string, unknown> | null>) => {
    if (data?.['kind'] === 'session' ? isSession(data['session']) : data?.['id'])
      onMessage(data as unknown as Message);
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
