import type { FileTexts } from '../config/reader.js';
import type { Readiness } from '../http/admin.js';
import type { Exemplar } from '../observe/exemplars.js';
import type { KpiReading } from '../observe/kpi-meter.js';
import type { SentRenewal } from './renewal.js';
import type { SharedCache } from './shared-cache.js';
import type { MetricsSnapshot } from '../observe/merged-metrics.js';

/** What the primary asks a worker, and what it is answered. */
export interface Answers {
  readiness: Readiness;
  kpis: KpiReading;
  outbox: ReturnType<SharedCache['status']>;
  metrics: MetricsSnapshot;
  exemplars: Exemplar[];
}

export type Question = keyof Answers;

/** What a worker begins with: it reads no file by itself, for one may be half-written by then. */
export interface Beginning {
  readonly files: FileTexts;
  /** Where keys or certificate have been read again since. */
  readonly renewal?: SentRenewal;
}

export type FromPrimary =
  | ({ readonly kind: 'begin' } & Beginning)
  /** Keys and certificate from now on; to be answered. */
  | { readonly kind: 'renew'; readonly id: number; readonly renewal: SentRenewal }
  | { readonly kind: 'ask'; readonly id: number; readonly what: Question }
  /** A stop is near: as `Serving.startDraining`. */
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop' };

export type FromWorker =
  /** It runs, and asks what to begin with. */
  | { readonly kind: 'here' }
  /** `taken` false: it can't, and works with what it had. */
  | { readonly kind: 'renewed'; readonly id: number; readonly taken: boolean }
  | { readonly kind: 'listening'; readonly url: string }
  /** It could not start: what a command would end with. The primary tells it. */
  | {
      readonly kind: 'not_started';
      readonly code: string;
      readonly exitCode: number;
      readonly message: string;
    }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Question] };
