import { X509Certificate } from 'node:crypto';
import type { OperatorMetrics } from '../observe/operator-metrics.js';
import type { Database } from '../store/database.js';
import { countInvalidIndexes } from '../store/invalid-indexes.js';
import type { TokenSchema } from '../store/schema.js';
import type { ReleaseStack } from './release.js';
import type { Renewal } from './renewal.js';

/** An index that became invalid is hours of work to notice, and a look-up in the catalog. */
const INDEXES_EVERY_MS = 60_000;

/** Keeps the metric of what a server depends on and no refresh would tell. */
export function watchSurroundings(
  database: Database,
  schema: TokenSchema | undefined,
  metrics: OperatorMetrics,
  releases: ReleaseStack,
): void {
  // No token tables, no indexes.
  if (schema === undefined) return;
  const countIndexes = (): void =>
    void countInvalidIndexes(database, schema).then(
      (count) => metrics.onInvalidIndexes(count),
      // The database is away, which its own alert tells.
      () => undefined,
    );
  countIndexes();
  const timer = setInterval(countIndexes, INDEXES_EVERY_MS).unref();
  releases.add(() => clearInterval(timer));
}

/** When the certificates in use expire: those of a chain, and keys that came as certificates. */
export function tellCertificates(
  { keys, tls }: Renewal,
  metrics: Pick<OperatorMetrics, 'onCertificate'>,
): void {
  const firstOf = (texts: readonly string[]): number | undefined => {
    const expiries = texts
      .flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])
      .map((pem) => Date.parse(new X509Certificate(pem).validTo) / 1000);
    return expiries.length === 0 ? undefined : Math.min(...expiries);
  };
  metrics.onCertificate('tls', firstOf(tls === undefined ? [] : [tls.cert]));
  metrics.onCertificate('verifying_key', firstOf(keys.verifyingKeys));
}
