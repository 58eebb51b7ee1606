/**
 * OpenTelemetry by its official SDK. Imported where it is wanted, and nowhere else: the packages are 4 MB of JavaScript to
 * load. Spans are passed by hand and not by AsyncLocalStorage, which costs each promise of each request.
 */
import {
  defaultTextMapGetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Link,
  type Span as OtelSpan,
  type Tracer,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Part, Span, Spanned } from '../rotation/span.js';
import { describeError } from './errors.js';
import type { RequestOutcome, RouteName } from './requests.js';
import type { TracingOptions } from '../tracing-options.js';
import type { RequestTrace, Tracing } from './trace.js';
import { boundedSpans, type SpanNews } from './trace-queue.js';

export interface TracingParts {
  readonly options: TracingOptions;
  /** The path of each route, as it is configured: never one that a client wrote. */
  readonly paths: Readonly<Record<RouteName, string>>;
  readonly scheme: 'http' | 'https';
  readonly version: string;
  readonly news: SpanNews;
}

/** A stop waits no longer for a collector. */
const STOP_MS = 1_000;

/** 200 claims share a statement at most. Beyond it the SDK counts what it leaves out; the batch's size is told in any case. */
const MOST_LINKS = 256;

/** Builds the pipeline; nothing is sent before the first sampled request. */
export async function startTracing({
  options,
  paths,
  scheme,
  version,
  news,
}: TracingParts): Promise<Tracing> {
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(
        resourceFromAttributes({
          'service.name': 'carelink-tokens',
          'service.version': version,
          'service.instance.id': randomUUID(),
          'process.pid': process.pid,
        }),
      )
      // What the operator says goes first.
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(options.sampler),
    spanLimits: { linkCountLimit: MOST_LINKS },
    spanProcessors: [boundedSpans(await exporterOf(options.protocol), options.queue, news)],
  });
  const tracer = provider.getTracer('carelink-tokens', version);
  const propagator = new W3CTraceContextPropagator();
  return {
    begin(route, headers) {
      const parent = options.continues
        ? propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
        : ROOT_CONTEXT;
      const span = tracer.startSpan(`POST ${paths[route]}`, { kind: SpanKind.SERVER }, parent);
      if (!span.isRecording()) return undefined;
      span.setAttributes({
        'http.request.method': 'POST',
        'http.route': paths[route],
        'url.path': paths[route],
        'url.scheme': scheme,
      });
      return new TracedRequest(tracer, span);
    },
    onStatement: (statement, items) => sharedStatement(tracer, statement, items),
    async stop() {
      await Promise.race([
        provider.shutdown().catch(() => undefined),
        sleep(STOP_MS, undefined, { ref: false }),
      ]);
    },
  };
}

/** What may be said of a request: never a token, an id of one, or a user (rule 17). Each value is a word of a union. */
class TracedPart implements Span {
  readonly span: OtelSpan;
  readonly #tracer: Tracer;
  #context: Context | undefined;

  constructor(tracer: Tracer, span: OtelSpan) {
    this.#tracer = tracer;
    this.span = span;
  }

  part(name: Part): Span {
    this.#context ??= trace.setSpan(ROOT_CONTEXT, this.span);
    return new TracedPart(this.#tracer, this.#tracer.startSpan(name, undefined, this.#context));
  }

  end(result?: string): void {
    if (result !== undefined) this.span.setAttribute('carelink.result', result);
    this.span.end();
  }
}

class TracedRequest extends TracedPart implements RequestTrace {
  get traceId(): string {
    return this.span.spanContext().traceId;
  }

  answered(status: number, outcome: RequestOutcome): void {
    this.span.setAttribute('http.response.status_code', status);
    this.span.setAttribute('carelink.outcome', outcome);
    if (status >= 500) {
      this.span.setAttribute('error.type', outcome);
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.span.end();
  }
}

/** A trace of its own: of the requests that share it, none is its parent more than the others. Links lead both ways. */
function sharedStatement(
  tracer: Tracer,
  statement: string,
  items: readonly Spanned[],
): ((error?: unknown) => void) | undefined {
  const traced: OtelSpan[] = [];
  for (const { span } of items) if (span instanceof TracedPart) traced.push(span.span);
  if (traced.length === 0) return undefined;
  const links: Link[] = traced.map((span) => ({ context: span.spanContext() }));
  const shared = tracer.startSpan(
    'group commit',
    {
      kind: SpanKind.CLIENT,
      root: true,
      links,
      attributes: {
        'db.system.name': 'postgresql',
        'db.query.summary': statement,
        'carelink.batch.size': items.length,
      },
    },
    ROOT_CONTEXT,
  );
  // Of what is written behind the requests are over: they can be told of nothing any more.
  for (const span of traced) if (span.isRecording()) span.addLink({ context: shared.spanContext() });
  return (error) => {
    if (error !== undefined) {
      const { error_name, error_code = error_name } = describeError(error);
      shared.setAttribute('error.type', error_code);
      shared.setStatus({ code: SpanStatusCode.ERROR });
    }
    shared.end();
  };
}

/** What is linked to a sampled request is sampled. */
function samplerOf({ kind, ratio, parentBased }: TracingOptions['sampler']): Sampler {
  const root =
    kind === 'always_on'
      ? new AlwaysOnSampler()
      : kind === 'always_off'
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(ratio);
  const requests = parentBased ? new ParentBasedSampler({ root }) : root;
  // Parts of a sampled request are sampled, whatever an own sampler would say of them.
  const parts = new ParentBasedSampler({
    root: requests,
    remoteParentSampled: requests,
    remoteParentNotSampled: requests,
  });
  return {
    shouldSample: (context, traceId, name, spanKind, attributes, links) =>
      links.length > 0
        ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
        : parts.shouldSample(context, traceId, name, spanKind, attributes, links),
    toString: () => requests.toString(),
  };
}

async function exporterOf(protocol: TracingOptions['protocol']) {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}
