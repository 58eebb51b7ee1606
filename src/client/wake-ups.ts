/** A coarse tick: timers of hidden pages run once a minute at best, and those of sleeping laptops not at all. */
const TICK_MS = 20_000;
/** A ward that has its network back has it in the same second, all of it. */
const BACK_MS = 4_000;

/**
 * Calls `check` whenever a page may have slept through something: it is shown again, it comes out of the
 * back-forward cache, the network is back, or time has simply passed. `check` answers in how many milliseconds it
 * wants to be called again. `nudge` is called each time, while a check is under way, too. The signal ends it: a timer
 * that is left does nothing.
 */
export function onWakeUps(signal: AbortSignal, check: () => Promise<number>, nudge: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  const wake = async (): Promise<void> => {
    if (running || signal.aborted) return;
    running = true;
    clearTimeout(timer);
    const nextMs = await check().catch(() => TICK_MS);
    running = false;
    timer = setTimeout(again, Math.max(250, Math.min(TICK_MS, nextMs)));
  };
  const again = (): void => {
    nudge();
    void wake();
  };
  // visibilitychange bubbles up to the window.
  for (const name of ['visibilitychange', 'pageshow', 'focus']) addEventListener(name, again, { signal });
  addEventListener('online', () => setTimeout(again, BACK_MS * Math.random()), { signal });
  again();
}
