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
  const look = (event?: Event): void => {
    // The last of them says that a page is hidden, too, as one is that is left: in WebKit its transaction would stay open in the
    // back-forward cache, and all others would wait for it.
    if (signal.aborted || (document.hidden && event && event.type > 'v')) return;
    const mine = (newest += 1);
    clearTimeout(timer);
    nudge();
    void check()
      .catch(() => Infinity)
      .then((nextMs) => {
        if (mine === newest) timer = setTimeout(look, Math.max(250, Math.min(TICK_MS, nextMs)));
      });
  };
  // Captured, before any of the page's own listeners sends something; two of them are the document's.
  for (const name of ['focus', 'pageshow', 'resume', 'visibilitychange'])
    addEventListener(name, look, { signal, capture: true });
  addEventListener('online', () => setTimeout(look, BACK_MS * Math.random()), { signal });
  look();
}
