import { X509Certificate } from 'node:crypto';
import type { ServeSettings } from '../config/settings.js';
import type { OperatorMetrics } from '../observe/operator-metrics.js';
import type { Database } from '../store/database.js';
import { countInvalidIndexes } from '../store/invalid-indexes.js';
import type { TokenSchema } from '../store/schema.js';
import type { ReleaseStack } from './release.js';

/** An index that became invalid is hours of work to notice, and a look-up in the catalog. */
const INDEXES_EVERY_MS = 60_000;

/** Keeps the metrics of what a server depends on and no refresh would tell: indexes, certificates. */
export function watchSurroundings(
  settings: ServeSettings,
  database: Database,
  schema: TokenSchema | undefined,
  metrics: OperatorMetrics,
  releases: ReleaseStack,
): void {
  readCertificates(settings, metrics);
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

/** Of all that are configured: a chain's, and keys that came as certificates. */
function readCertificates({ http, keys }: ServeSettings, metrics: OperatorMetrics): void {
  const expiries = (texts: readonly string[]): number[] =>
    texts
      .flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])
      .map((pem) => Date.parse(new X509Certificate(pem).validTo) / 1000);
  const tls = http.tls === undefined ? [] : expiries([http.tls.cert]);
  const verifying = expiries(keys.verifyingKeys);
  if (tls.length > 0) metrics.onCertificate('tls', Math.min(...tls));
  if (verifying.length > 0) metrics.onCertificate('verifying_key', Math.min(...verifying));
}
