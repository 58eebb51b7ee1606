import { ExportResultCode } from '@opentelemetry/core';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import type { SpanResult } from './trace-metrics.js';
import type { TracingOptions } from '../tracing-options.js';

/** What became of spans. */
export interface SpanNews {
  onSpans(result: SpanResult, count: number, error?: Error): void;
}

/**
 * Ended spans wait here for their batch, up to a bound; what comes beyond it is dropped, and counted. The SDK's own bound is
 * the same, and tells nobody.
 */
export function boundedSpans(
  exporter: SpanExporter,
  { maxSpans, maxBatch, delayMs, timeoutMs }: TracingOptions['queue'],
  news: SpanNews,
): SpanProcessor {
  let waiting = 0;
  const counting: SpanExporter = {
    export(spans, done) {
      waiting -= spans.length;
      exporter.export(spans, (result) => {
        const sent = result.code === ExportResultCode.SUCCESS;
        news.onSpans(sent ? 'exported' : 'failed', spans.length, result.error);
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
  const batches = new BatchSpanProcessor({
    exporter: counting,
    maxQueueSize: maxSpans,
    maxExportBatchSize: maxBatch,
    scheduledDelayMillis: delayMs,
    exportTimeoutMillis: timeoutMs,
  });
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd(span: ReadableSpan) {
      if (waiting >= maxSpans) news.onSpans('dropped', 1);
      else {
        waiting++;
        batches.onEnd(span);
      }
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}
