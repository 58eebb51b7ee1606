import { createRequire } from 'node:module';
import type { ServeSettings } from '../config/settings.js';
import { describeError } from '../observe/errors.js';
import type { Log, LogFields } from '../observe/log.js';
import { traceMetrics } from '../observe/trace-metrics.js';
import type { Tracing } from '../observe/trace.js';
import type { MetricsSink } from '../observe/metrics.js';
import type { ReleaseStack } from './release.js';

/** A collector that is away is away for each batch. */
const TELL_EVERY_MS = 60_000;

/** Undefined, and nothing loaded, where OpenTelemetry's variables don't ask for it. Released last: all else may be traced. */
export async function openTracing(
  { tracing, http }: Pick<ServeSettings, 'tracing' | 'http'>,
  { registry }: Pick<MetricsSink, 'registry'>,
  log: Log,
  monotonicMs: () => number,
  releases: ReleaseStack,
): Promise<Tracing | undefined> {
  if (tracing === undefined) return undefined;
  const { startTracing } = await import('../observe/tracing.js');
  const count = traceMetrics(registry);
  let toldAtMs = -Infinity;
  let unsent = 0;
  const started = await startTracing({
    options: tracing,
    paths: {
      refresh: `${http.paths.refresh}/`,
      verify: `${http.paths.verify}/`,
      blacklist: `${http.paths.blacklist}/`,
      sliding_refresh: `${http.paths.sliding}/`,
    },
    scheme: http.tls === undefined ? 'http' : 'https',
    version: ownVersion(),
    news: {
      onSpans(result, spans, error) {
        count(result, spans);
        if (result === 'exported') return;
        unsent += spans;
        if (monotonicMs() - toldAtMs < TELL_EVERY_MS) return;
        toldAtMs = monotonicMs();
        log.warn('traces_not_sent', {
          count: unsent,
          ...(error === undefined ? {} : withoutStack(error)),
          cause: result === 'dropped' ? NO_ROOM : NOT_TAKEN,
        });
        unsent = 0;
      },
    },
  });
  releases.add(() => started.stop());
  return started;
}

const NO_ROOM =
  'more spans end than are sent: sample less (OTEL_TRACES_SAMPLER), or see whether the collector keeps up';
const NOT_TAKEN = 'the collector at OTEL_EXPORTER_OTLP_ENDPOINT took no spans; refreshes go on as before';

/** Where in Node a connection was refused is of no use to anybody. */
function withoutStack(error: Error): LogFields {
  const { error_name, error_code } = describeError(error);
  return error_code === undefined ? { error_name } : { error_name, error_code };
}

function ownVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
}
