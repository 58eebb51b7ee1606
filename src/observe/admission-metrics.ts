import { Counter, Histogram, type Registry } from 'prom-client';

/** Where a refresh was refused: unread, or where it would have had to wait, or because its time was nearly up. */
const REFUSALS = ['door', 'wait', 'late'] as const;

export interface AdmissionMetrics {
  onRefused(why: (typeof REFUSALS)[number], count?: number): void;
  onWaited(seconds: number): void;
}

/** Half a second is as long as anybody is let wait (store/admission.ts). */
const WAIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function admissionMetrics(registry: Registry): AdmissionMetrics {
  const registers = [registry];
  const refused = new Counter({
    name: 'carelink_admission_refused_total',
    help: 'Requests refused with 503 because they could not be answered in time, by where that was found.',
    labelNames: ['why'],
    registers,
  });
  const waited = new Histogram({
    name: 'carelink_admission_queue_seconds',
    help: 'How long the claim that had waited longest for a statement did so, once a statement.',
    buckets: WAIT_BUCKETS,
    registers,
  });
  for (const why of REFUSALS) refused.inc({ why }, 0);
  return {
    onRefused: (why, count = 1) => refused.inc({ why }, count),
    onWaited: (seconds) => waited.observe(seconds),
  };
}
