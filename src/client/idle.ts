import type { IdleClock } from './idle-clock.js';
import { openLedger, type Ledger } from './ledger.js';

export type { IdleClock, IdleWarning } from './idle-clock.js';

/** As the server's options have it: `90s`, `15m`, `12h`. */
export type Duration = `${number}${keyof typeof UNITS}`;

export interface IdleOptions {
  /** How long nobody may be there before the session is ended. At most 24 days, which is as long as a browser's alarm can wait. */
  readonly after: Duration;
  /** How long before that `idleWarning` is told; `1m` if not given, and never more than half of `after`. */
  readonly warn?: Duration;
}

export interface IdleLogOff extends IdleClock {
  /** Counts as input: for a button, and for what a browser doesn't see as input, such as a video call. */
  stay(): void;
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MOST_MS = 2 ** 31 - 1;
/** In the ledger, beside the session's generation. */
const KEY = 'idle:';
/** Input is told to the other tabs so often at most, so the clock is that much early at most. */
const TELL_MS = 250;
/** What another tab wrote in the same moment stays; a later time is of before the clock was set back. */
const SAME_MS = 2_000;
/** What people do, and pages don't: no `scroll`, no `mouseover`, which come when something moves below the pointer. */
const INPUT = ['keydown', 'pointerdown', 'pointermove', 'wheel', 'touchmove'];

/**
 * Ends a session that nobody uses any more, in all its tabs at the same moment, and tells the server. Give it to one
 * manager as its option `idle`.
 *
 * The time of the last input is judged by the wall clock whenever something is about to be sent, so that a computer which slept
 * sends nothing first. It is in IndexedDB, where each tab sees what another one wrote, and goes by BroadcastChannel, too, so that
 * no tab has to look. Requests and refreshes don't count.
 *
 * @throws RangeError for a duration that isn't one
 */
export function idleLogOff({ after, warn = '1m' }: IdleOptions): IdleLogOff {
  const afterMs = msOf('after', after);
  const warnMs = Math.min(msOf('warn', warn), afterMs / 2);
  let emit: Parameters<IdleClock['attach']>[2] | undefined;
  let over: Parameters<IdleClock['attach']>[3] | undefined;
  let ledger: Ledger | undefined;
  let channel: BroadcastChannel | undefined;
  let followed: string | undefined;
  /** By this computer's clock. */
  let lastMs = 0;
  let warned = false;
  let alarm: ReturnType<typeof setTimeout> | undefined;

  /** How long the session goes on without input; after a clock was set back for `after` at most. */
  const leftMs = (): number => {
    lastMs = Math.min(lastMs, Date.now());
    return lastMs + afterMs - Date.now();
  };

  const tell = (secondsLeft: number | undefined): void => {
    warned = secondsLeft !== undefined;
    if (followed) emit?.('idleWarning', { session: followed, secondsLeft });
  };

  /** There was input, in this tab or another. */
  const heard = (atMs: number): void => {
    lastMs = Math.max(lastMs, atMs);
    if (warned && leftMs() > warnMs) tell(undefined);
    arm();
  };

  const active = (session: string): void => {
    const atMs = Date.now();
    heard(atMs);
    channel?.postMessage({ session, atMs });
    void ledger?.advance(KEY + session, atMs, atMs + SAME_MS);
  };

  // Set anew by what is heard: alarms of hidden pages that only set each other come up to a minute late.
  const arm = (): void => {
    clearTimeout(alarm);
    if (followed) alarm = setTimeout(() => void ring(), Math.max(0, leftMs() - (warned ? 0 : warnMs)));
  };

  const ring = async (): Promise<void> => {
    const session = followed;
    if (!session) return;
    if ((await isOver(session)) && session === followed) over?.(session, 'idle');
    if (session !== followed) return;
    if (!warned && leftMs() <= warnMs) tell(Math.ceil(leftMs() / 1_000));
    arm();
  };

  const isOver = async (session: string): Promise<boolean> => {
    if (session === followed && leftMs() > warnMs) return false;
    // Another tab may have had input of which this one heard nothing, because it slept.
    const { generation: storedMs } = (await ledger?.read(KEY + session)) ?? {};
    // One of the future is of a time before the clock was set back.
    const atMs = storedMs !== undefined && storedMs <= Date.now() ? storedMs : undefined;
    if (session !== followed) return atMs !== undefined && atMs + afterMs <= Date.now();
    if (atMs !== undefined) heard(atMs);
    // A log-in, or a page that is the first to have this clock.
    else if (lastMs === 0) active(session);
    return leftMs() <= 0;
  };

  const stay = async (): Promise<void> => {
    const session = followed;
    if (!session) return;
    // The key that wakes a computer up may come too late.
    if (leftMs() <= 0 && (await isOver(session))) over?.(session, 'idle');
    else if (session === followed) active(session);
  };

  const onInput = (event: Event): void => {
    const { movementX, movementY } = event as PointerEvent;
    // Some browsers tell of a pointer that stands still while the page moves below it.
    if (!event.isTrusted || (event.type === 'pointermove' && !movementX && !movementY)) return;
    if (afterMs - leftMs() >= TELL_MS) void stay();
  };

  return {
    get endsAt() {
      return followed ? Date.now() + leftMs() : Infinity;
    },
    get isDue() {
      return !!followed && leftMs() <= 0;
    },
    attach(name, gone, ...host) {
      if (emit) throw new TypeError("This idleLogOff() is another manager's already: make one for each.");
      [emit, over] = host;
      ledger = openLedger(name);
      try {
        channel = new BroadcastChannel(`${name}:idle`);
      } catch {
        // Then the other tabs look when their own time has come.
      }
      channel?.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        const { session, atMs } = (data ?? {}) as Record<string, unknown>;
        if (session === followed && Number(atMs) <= Date.now()) heard(Number(atMs));
      });
      for (const type of INPUT)
        addEventListener(type, onInput, { signal: gone, capture: true, passive: true });
      gone.addEventListener('abort', () => {
        // Whatever the manager still says: nothing is followed any more.
        followed = emit = over = undefined;
        clearTimeout(alarm);
        channel?.close();
        channel = undefined;
      });
    },
    follow(session) {
      // On a server it is never attached.
      if (!emit || session === followed) return;
      followed = session;
      lastMs = 0;
      warned = false;
      void ring();
    },
    isOver,
    stay: () => void stay(),
  };
}

function msOf(name: string, text: string): number {
  const [, figure, unit] = /^(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(text) ?? [];
  const ms = Number(figure) * UNITS[unit as keyof typeof UNITS];
  if (ms > 0 && ms <= MOST_MS) return ms;
  throw new RangeError(`idleLogOff: ${name}: '${text}' is no duration from 1ms to 24d, such as 90s or 15m.`);
}
