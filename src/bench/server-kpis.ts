import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Dispatcher } from 'undici';
import { BenchError } from './error.js';

/** What a server's `/kpis` says since its start: the part that is used here. */
export interface ServerKpis {
  readonly kpis: ReadonlyMap<string, { readonly numerator: number; readonly denominator: number }>;
  readonly verified: number;
  /** Answered with new tokens: rotated or reissued. */
  readonly rotated: number;
  readonly failed5xx: number;
  readonly unaudited: number;
  /** Answers whose rows are not due yet. */
  readonly auditPending: number;
}

const TIMEOUT_MS = 5_000;

/** @throws BenchError where there is no `/kpis` that can be read */
export async function readServerKpis(adminUrl: string, dispatcher?: Dispatcher): Promise<ServerKpis> {
  const url = new URL('/kpis', adminUrl);
  let document: unknown;
  try {
    const timeouts = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
    const response = await request(url, { ...timeouts, ...(dispatcher === undefined ? {} : { dispatcher }) });
    const text = await response.body.text();
    if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode}`);
    document = JSON.parse(text);
  } catch (cause) {
    throw unreadable(url, cause);
  }
  return parse(document, url);
}

/** The row of an answer is looked for five seconds after it, and once a second. */
const AUDIT_WAIT_MS = 10_000;

/** Waits until every answer was held against its row, and reads. */
export async function readAudited(
  adminUrl: string,
  signal: AbortSignal,
  dispatcher?: Dispatcher,
): Promise<ServerKpis> {
  const endsMs = performance.now() + AUDIT_WAIT_MS;
  for (;;) {
    const kpis = await readServerKpis(adminUrl, dispatcher).catch(gone);
    if (kpis.auditPending === 0 || performance.now() > endsMs || signal.aborted) return kpis;
    await sleep(200);
  }
}

/** It could be read before the load. */
function gone(cause: unknown): never {
  if (!(cause instanceof BenchError)) throw cause;
  throw new BenchError(
    'TARGET_LOST',
    `The KPIs could be read before the load, and can't be read after it: the server ended or hangs. Its log, or the kernel's (out of memory), says why. (${cause.message})`,
    { cause },
  );
}

/** What a refresh took on average, in ms. Undefined: there was none. */
export function meanOf({ kpis }: ServerKpis): number | undefined {
  const { numerator, denominator } = kpis.get('refresh_duration') ?? { numerator: 0, denominator: 0 };
  return denominator === 0 ? undefined : numerator / denominator;
}

/** What happened between two readings. */
export function between(before: ServerKpis, after: ServerKpis): ServerKpis {
  const kpis = new Map(
    [...after.kpis].map(([id, { numerator, denominator }]) => {
      const was = before.kpis.get(id) ?? { numerator: 0, denominator: 0 };
      const difference = {
        numerator: numerator - was.numerator,
        denominator: denominator - was.denominator,
      };
      return [id, difference];
    }),
  );
  return {
    kpis,
    verified: after.verified - before.verified,
    rotated: after.rotated - before.rotated,
    failed5xx: after.failed5xx - before.failed5xx,
    unaudited: after.unaudited - before.unaudited,
    auditPending: after.auditPending,
  };
}

function parse(document: unknown, url: URL): ServerKpis {
  const { kpis, counts, audit_pending } = object(document);
  const sinceStart = object(object(counts)['since_start']);
  if (!Array.isArray(kpis)) throw unreadable(url, undefined);
  const rows = kpis.map(object).filter(({ window }) => window === 'since_start');
  const number = (value: unknown): number => {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw unreadable(url, undefined);
    return value;
  };
  return {
    kpis: new Map(
      rows.map(({ id, numerator, denominator }) => [
        String(id),
        { numerator: number(numerator), denominator: number(denominator) },
      ]),
    ),
    verified: number(sinceStart['verified']),
    // Answers that spend nothing are counted apart; a server of an earlier release has none.
    rotated: number(sinceStart['rotated']) + number(sinceStart['reissued'] ?? 0),
    failed5xx: number(sinceStart['failed_5xx']),
    unaudited: number(sinceStart['unaudited']),
    auditPending: number(audit_pending),
  };
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function unreadable(url: URL, cause: unknown): BenchError {
  return new BenchError(
    'ADMIN_UNREACHABLE',
    `${url.href} can't be read as the KPIs of a carelink-tokens server. Is --admin-url right? Leave it out for another server.`,
    { cause },
  );
}
