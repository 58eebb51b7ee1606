import { describe, expect, it } from 'vitest';
import { tracingSettings } from '../../../src/config/tracing-settings.js';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

const read = (env: Record<string, string>) => {
  const warnings: string[] = [];
  return { settings: tracingSettings(env, warnings), warnings };
};

describe("tracing, by OpenTelemetry's variables", () => {
  it.each<[Record<string, string>, boolean]>([
    [{}, false],
    [ENDPOINT, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector/v1/traces' }, true],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ OTEL_TRACES_EXPORTER: 'none', ...ENDPOINT }, false],
    [{ OTEL_TRACES_EXPORTER: '', ...ENDPOINT }, true],
    [{ OTEL_SDK_DISABLED: 'true', ...ENDPOINT }, false],
    [{ OTEL_SDK_DISABLED: 'TRUE', OTEL_TRACES_EXPORTER: 'otlp' }, false],
    [{ OTEL_SDK_DISABLED: 'false', ...ENDPOINT }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, false],
    [{ OTEL_SERVICE_NAME: 'tokens', OTEL_TRACES_SAMPLER: 'always_on' }, false],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://collector:4318' }, false],
  ])('%j: on is %s, and nothing to be told', (env, on) => {
    const { settings, warnings } = read(env);
    expect(settings !== undefined).toBe(on);
    expect(warnings).toEqual([]);
  });

  it('begins with what the specification gives', () => {
    expect(read(ENDPOINT).settings).toEqual({
      protocol: 'http/protobuf',
      sampler: { kind: 'always_on', parentBased: true, ratio: 1 },
      continues: true,
      queue: { maxSpans: 2_048, maxBatch: 512, delayMs: 5_000, timeoutMs: 30_000 },
    });
  });

  it.each([
    ['always_off', undefined, { kind: 'always_off', parentBased: false, ratio: 1 }],
    ['traceidratio', '0.01', { kind: 'traceidratio', parentBased: false, ratio: 0.01 }],
    ['parentbased_traceidratio', '0.25', { kind: 'traceidratio', parentBased: true, ratio: 0.25 }],
    ['parentbased_traceidratio', undefined, { kind: 'traceidratio', parentBased: true, ratio: 1 }],
    ['parentbased_always_off', '0.5', { kind: 'always_off', parentBased: true, ratio: 1 }],
  ])('the sampler %s of %s', (name, argument, sampler) => {
    const { settings, warnings } = read({
      ...ENDPOINT,
      OTEL_TRACES_SAMPLER: name,
      ...(argument === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: argument }),
    });
    expect(settings?.sampler).toEqual(sampler);
    expect(warnings).toEqual([]);
  });

  it.each<[Record<string, string>, string]>([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'http/protobuf'],
    [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'grpc'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'zipkin'],
  ])('%j can not be had: tracing is off, and that is told', (env, told) => {
    const { settings, warnings } = read({ ...ENDPOINT, ...env });
    expect(settings).toBeUndefined();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(told);
  });

  it.each<[Record<string, string>, string]>([
    [{ OTEL_TRACES_EXPORTER: 'otlp,console' }, 'console'],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'jaeger_remote'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1 %' }, 'OTEL_TRACES_SAMPLER_ARG'],
    [{ OTEL_PROPAGATORS: 'tracecontext,b3' }, 'b3'],
    [{ OTEL_BSP_MAX_QUEUE_SIZE: '-1' }, 'OTEL_BSP_MAX_QUEUE_SIZE'],
  ])('of %j what is not understood is told, and the rest holds', (env, told) => {
    const { settings, warnings } = read({ ...ENDPOINT, ...env });
    expect(settings).toMatchObject({ continues: true, sampler: { ratio: 1 }, queue: { maxSpans: 2_048 } });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(told);
  });

  it('continues no trace where no propagator is wanted', () => {
    expect(read({ ...ENDPOINT, OTEL_PROPAGATORS: 'none' })).toMatchObject({
      settings: { continues: false },
      warnings: [],
    });
  });
});
