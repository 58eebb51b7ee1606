/** A coarse tick: timers of hidden pages run once a minute at best, and those of sleeping laptops not at all. */
const TICK_MS = 20_000;

/**
 * Calls `check` whenever a page may have slept through something: it is shown again, it comes out of the
 * back-forward cache, the network is back, or time has simply passed. `check` answers in how many milliseconds it
 * wants to be called again.
 */
export function onWakeUps(check: () => Promise<number>, onOnline: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let running = false;
  const wake = async (): Promise<void> => {
    if (running || stopped) return;
    running = true;
    clearTimeout(timer);
    const nextMs = await check().catch(() => TICK_MS);
    running = false;
    // Whatever else happened meanwhile: it was called again by then.
    if (!stopped) timer = setTimeout(again, Math.max(250, Math.min(TICK_MS, nextMs)));
  };
  const again = (): void => void wake();
  const online = (): void => {
    onOnline();
    again();
  };
  document.addEventListener('visibilitychange', again);
  window.addEventListener('pageshow', again);
  window.addEventListener('focus', again);
  window.addEventListener('online', online);
  again();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', again);
    window.removeEventListener('pageshow', again);
    window.removeEventListener('focus', again);
    window.removeEventListener('online', online);
  };
}
