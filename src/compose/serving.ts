import type { Readiness } from '../http/admin.js';
import type { Exemplar } from '../observe/exemplars.js';
import type { KpiReading } from '../observe/kpi-meter.js';
import type { MetricsSink } from '../observe/metrics.js';
import type { Renewal, Renewing } from './renewal.js';
import type { SharedCache } from './shared-cache.js';

export interface StartOptions {
  /** False: it is one of several, and another process has the admin port for all of them. */
  readonly admin?: boolean;
  /** False: another of them has told what the set-up means. */
  readonly tellsSetUp?: boolean;
  /** Calls the start off. */
  readonly signal?: AbortSignal;
  /** Called before the port is open: whoever has a renewal gives it then, and later ones the same way. */
  readonly takesRenewals?: (renew: (renewal: Renewal) => Promise<void>) => Promise<void>;
}

export interface Serving {
  readonly publicUrl: string;
  readonly adminUrl: string;
  /**
   * Only with the embedded database. A fresh token to try, for the terminal and never for the log: only where the key
   * is the directory's own and nobody else's machine can reach the server.
   */
  readonly embedded:
    { readonly sampleRefreshToken: string | undefined; readonly dataDir: string } | undefined;
  /** From now on answers close their connections and /readyz says no, while all is served: a stop follows. */
  readonly startDraining: () => void;
  /** Takes keys and a certificate anew. */
  readonly renewing: Renewing;
  /** Stops accepting, finishes what is in flight, closes everything. */
  stop(): Promise<void>;
  /** What is to be told when it has ended: of a shadow. */
  readonly summary?: { readonly document: () => object; readonly text: () => string };
  /** Rejects when something the server can't do without has broken for good. */
  readonly failed: Promise<never>;
  /** For a process that has the admin port of several. */
  readonly inside: {
    readonly readiness: () => Promise<Readiness>;
    readonly metrics: Pick<MetricsSink, 'snapshot'>;
    readonly exemplars: () => Exemplar[];
    readonly kpis: () => KpiReading;
    readonly outbox: SharedCache['status'];
  };
}
