import type { Snapshot } from './snapshot.js';

/** A server sends one a second; after so long without, what is shown is old. */
const SILENT_MS = 4_000;

/** A browser comes back by itself after a break, but not after a refusal (503 while it starts): then we do. */
const REOPEN_MS = 3_000;

export interface StreamListener {
  onSnapshot(snapshot: Snapshot): void;
  onState(state: 'live' | 'lost'): void;
}

/** Follows `/events`, for ever. */
export function follow(listener: StreamListener): void {
  let heardMs = performance.now();
  let reopening: number | undefined;
  const open = (): void => {
    reopening = undefined;
    const source = new EventSource('/events');
    source.onmessage = (event: MessageEvent<string>) => {
      heardMs = performance.now();
      listener.onState('live');
      listener.onSnapshot(JSON.parse(event.data) as Snapshot);
    };
    source.onerror = () => {
      listener.onState('lost');
      if (source.readyState !== EventSource.CLOSED) return;
      source.close();
      reopening ??= setTimeout(open, REOPEN_MS);
    };
  };
  open();
  // A network that swallows everything closes nothing.
  setInterval(() => {
    if (performance.now() - heardMs > SILENT_MS) listener.onState('lost');
  }, 1_000);
}
