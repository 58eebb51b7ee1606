import type { Check, Finding } from './check.js';
import { DATABASE_CHECKS } from './checks/database.js';
import { DJANGO_CHECKS } from './checks/django.js';
import { KEY_CHECKS } from './checks/keys.js';
import { REDIS_CHECKS } from './checks/redis.js';
import { ROW_DATE_CHECKS } from './checks/row-dates.js';
import { TABLE_CHECKS } from './checks/tables.js';
import type { Evidence } from './evidence.js';

export type { Finding } from './check.js';
export type { DatabaseEvidence, Evidence, KeyEvidence, TokenSample } from './evidence.js';
export { readDatabaseFacts, readTokenSamples } from './read-database.js';

export interface Diagnosis {
  readonly check: string;
  /** What holds where nothing was found. */
  readonly title: string;
  /** `unknown`: what it builds on is missing, and is told of by another check. `unused`: it is not configured. */
  readonly status: 'ok' | 'note' | 'warning' | 'fault' | 'unknown' | 'unused';
  readonly findings: readonly Finding[];
}

const CHECKS: readonly Check[] = [
  ...DATABASE_CHECKS,
  ...TABLE_CHECKS,
  ...DJANGO_CHECKS,
  ...ROW_DATE_CHECKS,
  ...KEY_CHECKS,
  ...REDIS_CHECKS,
];

/** Every check's verdict, in the order in which things build on one another. Pure. */
export function diagnose(evidence: Evidence): readonly Diagnosis[] {
  return CHECKS.map((check) => {
    const judged = check.judge(evidence);
    const findings = judged === 'unused' ? [] : (judged ?? []);
    const status = judged === 'unused' ? judged : statusOf(judged);
    return { check: check.id, title: check.title, status, findings };
  });
}

function statusOf(findings: readonly Finding[] | undefined): Diagnosis['status'] {
  if (findings === undefined) return 'unknown';
  for (const severity of ['fault', 'warning', 'note'] as const) {
    if (findings.some((finding) => finding.severity === severity)) return severity;
  }
  return 'ok';
}
