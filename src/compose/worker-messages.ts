import type { Readiness } from '../http/admin.js';
import type { KpiReading } from '../observe/kpi-meter.js';
import type { SharedCache } from './shared-cache.js';
import type { MetricsSnapshot } from '../observe/merged-metrics.js';

/** What the primary asks a worker, and what it is answered. */
export interface Answers {
  readiness: Readiness;
  kpis: KpiReading;
  outbox: ReturnType<SharedCache['status']>;
  metrics: MetricsSnapshot;
}

export type Question = keyof Answers;

export type FromPrimary =
  | { readonly kind: 'ask'; readonly id: number; readonly what: Question }
  /** A stop is near: as `Serving.startDraining`. */
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'listening'; readonly url: string }
  /** It could not start: what a command would end with. The primary tells it. */
  | {
      readonly kind: 'not_started';
      readonly code: string;
      readonly exitCode: number;
      readonly message: string;
    }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Question] };
