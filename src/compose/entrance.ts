import type { ServeSettings } from '../config/settings.js';
import { Door } from '../http/door.js';
import { LagProbe } from '../http/lag-probe.js';
import { admissionMetrics } from '../observe/admission-metrics.js';
import type { MetricsSink } from '../observe/metrics.js';
import { MAX_WAIT_MS } from '../store/admission.js';
import type { ReleaseStack } from './release.js';
import { openStores, type Site, type Stores } from './stores.js';

/**
 * The stores, and the door before them, which refuses what they could not answer in time: each asks the other, and both
 * ask how far this process lags behind.
 */
export function openEntrance(
  settings: ServeSettings,
  site: Site,
  parts: Omit<Parameters<typeof openStores>[2], 'lagMs' | 'random' | 'onWaited' | 'onTurnedAway'>,
  signatureWaitMs: () => number,
  metrics: MetricsSink,
  releases: ReleaseStack,
): { readonly stores: Stores; readonly door: Door } {
  const { monotonicMs } = parts;
  const admission = admissionMetrics(metrics.registry);
  const lag = new LagProbe(monotonicMs);
  releases.add(() => lag.close());
  const lagMs = (nowMs: number): number => lag.standingMs(nowMs);
  const stores = openStores(settings, site, {
    ...parts,
    lagMs,
    random: Math.random,
    onWaited: (ms) => admission.onWaited(ms / 1000),
    onTurnedAway(why, ofRefresh) {
      admission.onRefused(why);
      if (ofRefresh) door.refusedInside();
    },
  });
  const door = new Door({
    lagMs,
    storeIsBusy: (nowMs) => stores.isBusy(nowMs),
    inStore: () => stores.inside(),
    signatureWaitMs,
    maxWaitMs: MAX_WAIT_MS,
    monotonicMs,
    random: Math.random,
    onRefused(count) {
      admission.onRefused('door', count);
      metrics.onRefusedUnread(count);
    },
  });
  return { stores, door };
}
