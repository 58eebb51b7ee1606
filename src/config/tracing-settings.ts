import type { TracingOptions } from '../tracing-options.js';
import type { Environment } from './resolve.js';

const SAMPLERS = {
  always_on: { kind: 'always_on', parentBased: false },
  always_off: { kind: 'always_off', parentBased: false },
  traceidratio: { kind: 'traceidratio', parentBased: false },
  parentbased_always_on: { kind: 'always_on', parentBased: true },
  parentbased_always_off: { kind: 'always_off', parentBased: true },
  parentbased_traceidratio: { kind: 'traceidratio', parentBased: true },
} as const;

/**
 * OpenTelemetry by its customary variables: on where an exporter or an endpoint is named. As its specification has it, what
 * can't be read is told and left out, and never keeps a server from starting.
 *
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function tracingSettings(env: Environment, warnings: string[]): TracingOptions | undefined {
  const read = reader(env, warnings);
  if (read.text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  if (!isWanted(read, warnings)) return undefined;
  const protocol =
    read.text('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ??
    read.text('OTEL_EXPORTER_OTLP_PROTOCOL') ??
    'http/protobuf';
  if (protocol !== 'http/protobuf' && protocol !== 'http/json') {
    warnings.push(
      `Tracing is off: the protocol ${protocol} of OTEL_EXPORTER_OTLP_PROTOCOL is not supported. Set http/protobuf or http/json; a collector takes both at port 4318.`,
    );
    return undefined;
  }
  for (const name of ENDPOINTS) {
    const url = read.text(name);
    if (url === undefined || isHttp(url)) continue;
    warnings.push(`Tracing is off: ${name} is not a URL such as http://collector:4318.`);
    return undefined;
  }
  return {
    protocol,
    sampler: samplerOf(read, warnings),
    continues: continues(read, warnings),
    queue: {
      maxSpans: read.whole('OTEL_BSP_MAX_QUEUE_SIZE', 2_048),
      maxBatch: read.whole('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512),
      delayMs: read.whole('OTEL_BSP_SCHEDULE_DELAY', 5_000),
      timeoutMs: read.whole('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
    },
  };
}

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;

type Reader = ReturnType<typeof reader>;

function reader(env: Environment, warnings: string[]) {
  // One that is empty is not set, by the specification.
  const text = (name: string): string | undefined => env[name]?.trim() || undefined;
  return {
    text,
    whole(name: string, otherwise: number): number {
      const given = text(name);
      if (given === undefined) return otherwise;
      if (/^[1-9]\d{0,8}$/.test(given)) return Number(given);
      warnings.push(`${name} is not a whole number above 0: ${otherwise} is used.`);
      return otherwise;
    },
  };
}

function isWanted({ text }: Reader, warnings: string[]): boolean {
  const exporters = text('OTEL_TRACES_EXPORTER')
    ?.split(',')
    .map((name) => name.trim());
  if (exporters === undefined) return ENDPOINTS.some((name) => text(name) !== undefined);
  const others = exporters.filter((name) => name !== 'otlp' && name !== 'none' && name !== '');
  if (others.length > 0) {
    warnings.push(
      `OTEL_TRACES_EXPORTER names ${others.join(', ')}, which is not supported: traces are sent by otlp only.`,
    );
  }
  return exporters.includes('otlp');
}

function samplerOf({ text }: Reader, warnings: string[]): TracingOptions['sampler'] {
  const name = text('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on';
  const known = Object.hasOwn(SAMPLERS, name) ? SAMPLERS[name as keyof typeof SAMPLERS] : undefined;
  if (known === undefined) {
    warnings.push(`OTEL_TRACES_SAMPLER ${name} is not known: parentbased_always_on is used.`);
    return { ...SAMPLERS.parentbased_always_on, ratio: 1 };
  }
  const given = text('OTEL_TRACES_SAMPLER_ARG');
  if (known.kind !== 'traceidratio' || given === undefined) return { ...known, ratio: 1 };
  const ratio = Number(given);
  if (ratio >= 0 && ratio <= 1) return { ...known, ratio };
  warnings.push('OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1: 1 is used.');
  return { ...known, ratio: 1 };
}

/** By `traceparent`; baggage is for nobody here. */
function continues({ text }: Reader, warnings: string[]): boolean {
  const given = text('OTEL_PROPAGATORS');
  if (given === undefined) return true;
  const names = given.split(',').map((name) => name.trim());
  const others = names.filter((name) => !['tracecontext', 'baggage', 'none', ''].includes(name));
  if (others.length > 0) {
    warnings.push(
      `OTEL_PROPAGATORS names ${others.join(', ')}, which is not supported: only tracecontext is.`,
    );
  }
  return names.includes('tracecontext');
}

function isHttp(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}
