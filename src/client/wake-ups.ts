/** A coarse tick: timers of hidden pages run once a minute at best, and those of sleeping laptops not at all. */
const TICK_MS = 20_000;
/** A ward that has its network back has it in the same second, all of it. */
const BACK_MS = 4_000;

/**
 * Calls `check` whenever a page may have slept through something: it is shown again, it comes out of the
 * back-forward cache, the network is back, or time has simply passed. `check` answers in how many milliseconds it
 * wants to be called again. A check that is under way may be one that slept itself, and what it waits for may never come: it
 * is left behind. `nudge` is called before each. The signal ends it: a timer that is left does nothing.
 */
export function onWakeUps(signal: AbortSignal, check: () => Promise<number>, nudge: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let newest = 0;
  const look = async (): Promise<void> => {
    if (signal.aborted) return;
    const mine = (newest += 1);
    clearTimeout(timer);
    nudge();
    const nextMs = await check().catch(() => TICK_MS);
    if (mine === newest) timer = setTimeout(again, Math.max(250, Math.min(TICK_MS, nextMs)));
  };
  const again = (): void => void look();
  // Captured, before any of the page's own listeners sends something; two of them are the document's.
  for (const name of ['visibilitychange', 'resume', 'pageshow', 'focus'])
    addEventListener(name, again, { signal, capture: true });
  addEventListener('online', () => setTimeout(again, BACK_MS * Math.random()), { signal });
  again();
}
