import type { Check, Finding, Judged } from './check.js';
import { CHECKS } from './checks/index.js';
import type { DatabaseFacts, Evidence } from './evidence.js';
import { attempt, reasonOf, type Reading } from './reading.js';
import type { Database } from '../store/database.js';

export type { Finding } from './check.js';
export type { DatabaseEvidence, Evidence, KeyEvidence, SchemaEvidence } from './evidence.js';
export { readDatabaseFacts } from './read-database.js';
export { readSampleRows, type SampleRow } from './read-samples.js';
export { attempt, type Reading } from './reading.js';
export { judgeToken, type SampleRules, type TokenSample } from './token-sample.js';
export { tellNobody, tellSamples } from './told-samples.js';

export interface Diagnosis {
  readonly check: string;
  /** What holds where nothing was found. */
  readonly title: string;
  /** `unknown`: it can't be told here; `why` says the reason. `unused`: it is not configured. */
  readonly status: 'ok' | 'note' | 'warning' | 'fault' | 'unknown' | 'unused';
  readonly findings: readonly Finding[];
  readonly why?: string;
}

/** Runs the looks that single checks have of their own, one after the other. Never rejects. */
export async function readForChecks(
  database: Database,
  facts: DatabaseFacts,
): Promise<ReadonlyMap<string, Reading<unknown>>> {
  const readings = new Map<string, Reading<unknown>>();
  for (const { id, read } of CHECKS) {
    if (read !== undefined) readings.set(id, await attempt(() => read(database, facts)));
  }
  return readings;
}

/** Every check's verdict, in the order in which things build on one another. Pure, and never throws. */
export function diagnose(evidence: Evidence): readonly Diagnosis[] {
  return CHECKS.map((check) => diagnosisOf(check, judged(check, evidence)));
}

function judged(check: Check, evidence: Evidence): Judged {
  try {
    return check.judge(evidence);
  } catch (error) {
    // A set-up that a check did not reckon with must not hide what the others found.
    return { unknown: `${reasonOf(error)} (a bug: please report it)` };
  }
}

function diagnosisOf({ id: check, title }: Check, verdict: Judged): Diagnosis {
  if (verdict === 'unused') return { check, title, status: verdict, findings: [] };
  if ('unknown' in verdict) return { check, title, status: 'unknown', findings: [], why: verdict.unknown };
  return { check, title, status: statusOf(verdict), findings: verdict };
}

function statusOf(findings: readonly Finding[]): Diagnosis['status'] {
  for (const severity of ['fault', 'warning', 'note'] as const) {
    if (findings.some((finding) => finding.severity === severity)) return severity;
  }
  return 'ok';
}
