/** OpenTelemetry: what a collector gets of refreshes, what it never gets, and what a dead one costs. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startOtlpReceiver, type OtlpReceiver, type OtlpSpan } from '../support/otlp-receiver.js';
import { until } from '../support/redis.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';

/** Each of these is a word of ours, a number that says nothing of a user, or the path that was configured. */
const ALLOWED = new Set([
  'http.request.method', 'http.route', 'url.path', 'url.scheme', 'http.response.status_code', 'error.type',
  'db.system.name', 'db.query.summary', 'carelink.batch.size', 'carelink.outcome', 'carelink.result',
]); // prettier-ignore

const PATH = '/account/token/refresh/';
const OPEN_METRICS = { accept: 'application/openmetrics-text;version=1.0.0;q=0.8, text/plain;q=0.5' };

describe.skipIf(services().postgres === undefined)('tracing', () => {
  const world = rotationWorld();
  let collector: OtlpReceiver;
  beforeAll(async () => {
    collector = await startOtlpReceiver();
  });
  afterAll(() => collector.stop());

  const serve = async (
    env: Record<string, string>,
    args: string[] = [],
    nodeArgs: string[] = [],
  ): Promise<TestServer> => {
    const server = await startServer({ databaseUrl: world.url, env, args, nodeArgs });
    onTestFinished(() => server.stop());
    return server;
  };
  const traced = (to: OtlpReceiver, more: Record<string, string> = {}) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: to.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...more,
  });

  const refresh = async (
    { url }: TestServer,
    token: string,
    traceparent?: string,
  ): Promise<{ status: number; body: Record<string, string> }> => {
    const answer = await fetch(url + PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(traceparent && { traceparent }) },
      body: JSON.stringify({ refresh: token }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  };

  const hex = (digits: number, n: number) => n.toString(16).padStart(digits, '0');
  /** Of the nth request, as its proxy would write it. */
  const parentOf = (trace: number, n: number, flags = '01') => ({
    traceId: hex(32, trace * 1_000 + n + 1),
    spanId: hex(16, n + 1),
    header: `00-${hex(32, trace * 1_000 + n + 1)}-${hex(16, n + 1)}-${flags}`,
  });
  const servers = (spans: readonly OtlpSpan[]) => spans.filter(({ kind }) => kind === 2);
  const commits = (spans: readonly OtlpSpan[]) => spans.filter(({ name }) => name === 'group commit');
  const childrenOf = ({ spanId, traceId }: OtlpSpan, spans: readonly OtlpSpan[]) =>
    spans.filter((one) => one.parentSpanId === spanId && one.traceId === traceId);

  it("is seen from the proxy's traceparent to the group commit, and holds nothing of a token or a user", async () => {
    const server = await serve(traced(collector), ['--access-log', 'all', '--workers', '2']);
    const logins = await Promise.all(Array.from({ length: 30 }, () => world.login()));
    const answers = await Promise.all(
      logins.map(({ token }, n) => refresh(server, token, parentOf(1, n).header)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    // A balancer that decided against this one.
    const unsampled = await world.login();
    expect((await refresh(server, unsampled.token, parentOf(1, 900, '00').header)).status).toBe(200);
    // Without a proxy a trace begins here.
    expect((await refresh(server, logins[0]!.token)).status).toBe(401);
    await until(() => Promise.resolve(servers(collector.spans).length >= 31));
    await until(() => Promise.resolve(linked(collector.spans).size >= 30));

    const spans = collector.spans;
    expect(servers(spans)).toHaveLength(31);
    for (const [n] of logins.entries()) {
      const { traceId, spanId } = parentOf(1, n);
      const [span, ...more] = servers(spans).filter((one) => one.traceId === traceId);
      expect(more).toEqual([]);
      expect(span).toMatchObject({ name: `POST ${PATH}`, parentSpanId: spanId });
      expect(span!.attributes).toMatchObject({
        'http.route': PATH, 'http.response.status_code': 200, 'carelink.outcome': 'rotated',
      }); // prettier-ignore
      const parts = childrenOf(span!, spans);
      expect(parts.map(({ name }) => name).sort()).toEqual(['cache', 'claim', 'verify']);
      const claim = parts.find(({ name }) => name === 'claim')!;
      expect(claim.attributes).toMatchObject({ 'carelink.result': 'won' });
      // One statement wrote it, and each leads to the other.
      const [commit, ...others] = commits(spans).filter(({ links }) => links.some(leadsTo(span!)));
      expect(others).toEqual([]);
      expect(span!.links).toHaveLength(1);
      expect(span!.links.some(leadsTo(commit!))).toBe(true);
      // It was under way while the refresh waited for its claim. The SDK begins a span at a whole millisecond, and
      // measures from a moment after that: later by as long as this process waited for a core between the two.
      expect(BigInt(commit!.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(claim.startTimeUnixNano));
      expect(BigInt(commit!.endTimeUnixNano)).toBeLessThan(BigInt(claim.endTimeUnixNano) + 50_000_000n);
    }
    const shared = commits(spans);
    expect(shared.length).toBeLessThan(30);
    for (const { links, attributes, parentSpanId } of shared) {
      expect(parentSpanId ?? '').toBe('');
      expect(attributes).toMatchObject({ 'db.system.name': 'postgresql' });
      expect(Number(attributes['carelink.batch.size'])).toBeGreaterThanOrEqual(links.length);
    }
    const [refused] = servers(spans).filter(
      ({ attributes }) => attributes['http.response.status_code'] === 401,
    );
    expect(refused!.parentSpanId ?? '').toBe('');
    expect(refused!.attributes['carelink.outcome']).toBe('blacklisted');

    // What goes to a collector is none of anybody's tokens, ids or users.
    expect(
      spans.flatMap(({ attributes }) => Object.keys(attributes)).filter((key) => !ALLOWED.has(key)),
    ).toEqual([]);
    const sent = collector.requests.map(({ body }) => body.toString()).join('\n');
    for (const [n, { token }] of logins.entries()) {
      const { access, refresh: successor } = answers[n]!.body;
      for (const secret of [token, access!, successor!]) {
        expect(sent).not.toContain(secret.slice(-20));
        expect(sent).not.toContain(String(decodeToken(secret).claims['jti']));
      }
    }
    expect(new Set(spans.map(({ resource }) => resource['service.name']))).toEqual(
      new Set(['carelink-tokens']),
    );

    // The same traces in the access log, and in the metrics where they are asked for.
    const logged = server.output().split('\n').flatMap((line) => (line.includes('"event":"request"') ? [JSON.parse(line) as Record<string, string>] : [])); // prettier-ignore
    expect(new Set(logged.map((line) => line['trace_id']))).toEqual(
      new Set([...servers(spans).map(({ traceId }) => traceId), parentOf(1, 900).traceId]),
    );
    const open = await fetch(`${server.adminUrl}/metrics`, { headers: OPEN_METRICS });
    expect(open.headers.get('content-type')).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    const text = await open.text();
    expect(text.endsWith('\n# EOF\n')).toBe(true);
    const exemplars = [...text.matchAll(/^carelink_token_refresh_duration_seconds_bucket\{.*outcome="rotated".*\} \d+ # \{trace_id="(\w+)"\} ([\d.e-]+) ([\d.]+)$/gm)]; // prettier-ignore
    expect(exemplars.length).toBeGreaterThan(0);
    const ids = new Set(servers(spans).map(({ traceId }) => traceId));
    for (const [, traceId] of exemplars) expect(ids.has(traceId!)).toBe(true);
    const plain = await fetch(`${server.adminUrl}/metrics`);
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const plainText = await plain.text();
    expect(plainText).not.toContain('trace_id');
    expect(plainText).toContain('# TYPE carelink_token_refresh_total counter');
    expect(plainText).toMatch(/carelink_trace_spans_total\{result="exported"\} [1-9]/);
    expect(text).toContain('# TYPE carelink_token_refresh counter');
  });

  it('a collector that takes connections and never answers costs spans, and neither a refresh nor the stop', async () => {
    const dead = await startOtlpReceiver({ answers: false });
    onTestFinished(() => dead.stop());
    const server = await serve(
      traced(dead, {
        // Whoever waited for it would wait for an hour.
        OTEL_EXPORTER_OTLP_TIMEOUT: '3600000',
        OTEL_BSP_EXPORT_TIMEOUT: '3600000',
        OTEL_BSP_MAX_QUEUE_SIZE: '8',
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4',
        // As OTLP has it where nothing is said.
        OTEL_EXPORTER_OTLP_PROTOCOL: '',
      }),
    );
    for (let n = 0; n < 10; n++) {
      const { token } = await world.login();
      expect((await refresh(server, token, parentOf(2, n).header)).status).toBe(200);
    }
    await until(() => Promise.resolve(dead.requests.length > 0));
    const [first] = dead.requests;
    expect(first).toMatchObject({ path: '/v1/traces' });
    expect(first!.headers['content-type']).toBe('application/x-protobuf');
    expect(first!.body.includes(Buffer.from(parentOf(2, 0).traceId, 'hex'))).toBe(true);
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    const dropped = /carelink_trace_spans_total\{result="dropped"\} (\d+)/.exec(metrics)?.[1];
    // 50 ended, 4 are under way, 8 wait.
    expect(Number(dropped)).toBeGreaterThan(30);
    expect(server.output()).toContain('"event":"traces_not_sent"');
    await server.stop();
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('is not loaded where nothing asks for it, or where it is switched off', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'carelink-loaded-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const preload = fileURLToPath(new URL('../support/loaded-packages.cjs', import.meta.url));
    const loaded = async (name: string, env: Record<string, string>): Promise<string[]> => {
      const file = join(directory, name);
      const server = await serve({ ...env, LOADED_PACKAGES: file }, [], ['--require', preload]);
      const { token } = await world.login();
      expect((await refresh(server, token, parentOf(3, 0).header)).status).toBe(200);
      const open = await fetch(`${server.adminUrl}/metrics`, { headers: OPEN_METRICS });
      const type = open.headers.get('content-type');
      expect(type?.split(';')[0]).toBe(name === 'on' ? 'application/openmetrics-text' : 'text/plain');
      await server.stop();
      return JSON.parse(readFileSync(file, 'utf8')) as string[];
    };
    const [off, disabled, on] = await Promise.all([
      loaded('off', {}),
      loaded('disabled', { ...traced(collector), OTEL_SDK_DISABLED: 'true' }),
      loaded('on', traced(collector)),
    ]);
    // prom-client loads the API, which is an interface without anything behind it.
    expect(off).toEqual(['@opentelemetry/api']);
    expect(disabled).toEqual(['@opentelemetry/api']);
    expect(on).toContain('@opentelemetry/sdk-trace');
  });

  /** The requests that a group commit links to. */
  function linked(spans: readonly OtlpSpan[]): Set<string> {
    return new Set(commits(spans).flatMap(({ links }) => links.map(({ spanId }) => spanId)));
  }

  function leadsTo({ traceId, spanId }: OtlpSpan): (link: OtlpSpan['links'][number]) => boolean {
    return (link) => link.traceId === traceId && link.spanId === spanId;
  }
});
