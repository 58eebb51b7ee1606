/** The Helm chart: rendered by Go's templates, judged by the schemas of Kubernetes, and what it starts is started. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { CronJob } from 'kubernetes-models/batch/v1/CronJob';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVE_OPTIONS } from '../../src/config/serve-options.js';
import { freePort } from '../support/free-port.js';
import { type Manifest, renderChart } from '../support/helm-template.js';
import { createSimplejwtTables, freshDatabase, type FreshDatabase } from '../support/postgres.js';
import { BIN, cleanEnvironment, startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const KINDS = {
  CronJob, Deployment, HorizontalPodAutoscaler, Job, NetworkPolicy, PodDisruptionBudget, Service, ServiceMonitor,
} as const; // prettier-ignore

/** Every switch the other way, and values that templates like to get wrong. */
const EVERYTHING = {
  image: { repository: 'registry.example/team/tokens', tag: '1.2.3' },
  imagePullSecrets: [{ name: 'registry' }],
  options: {
    'max-connections': 1_000_000,
    'cors-origin': ['https://a.example', 'https://b.example'],
    issuer: 'a "quoted" $(HOSTNAME): # text',
    'session-start': true,
    'drain-delay': '1500ms',
    'shutdown-timeout': '2m',
    'database-wait': '1h',
    'tls-cert': null,
  },
  env: [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' }],
  volumes: [{ name: 'tls', secret: { secretName: 'tls' } }],
  volumeMounts: [{ name: 'tls', mountPath: '/tls', readOnly: true }],
  serve: {
    autoscaling: { enabled: true },
    podAnnotations: { team: 'identity' },
    podLabels: { team: 'identity' },
    priorityClassName: 'important',
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'tokens', operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    service: { annotations: { a: 'b' } },
  },
  networkPolicy: { httpFrom: [{ podSelector: { matchLabels: { app: 'nginx' } } }] },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
};
const NOTHING = {
  serve: { podDisruptionBudget: { enabled: false } },
  migrate: { enabled: false },
  cleanup: { enabled: false },
  networkPolicy: { enabled: false },
  options: { 'pool-size': null, 'drain-delay': null, 'shutdown-timeout': null },
};

interface Container {
  readonly args: string[];
  readonly env: { name: string; value?: string; valueFrom?: { secretKeyRef: { key: string } } }[];
  readonly securityContext: object;
  readonly startupProbe: { periodSeconds: number; failureThreshold: number };
}
interface Pod {
  readonly automountServiceAccountToken: boolean;
  readonly enableServiceLinks: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly [Container];
}

function podOf(manifests: readonly Manifest[], kind: string): Pod {
  const spec = manifests.find((one) => one.kind === kind)?.spec as {
    template?: { spec: Pod };
    jobTemplate?: { spec: { template: { spec: Pod } } };
  };
  return (spec.jobTemplate?.spec.template ?? spec.template)!.spec;
}

describe.skipIf(services().go === undefined)('the Helm chart', () => {
  let preset: readonly Manifest[];
  let everything: readonly Manifest[];
  let nothing: readonly Manifest[];
  let errors: readonly string[];
  beforeAll(() => {
    const answers = renderChart([
      {}, EVERYTHING, NOTHING,
      { secret: { existing: '' } }, { options: { 'drain-delay': '5 minutes' } },
    ]); // prettier-ignore
    [preset, everything, nothing] = answers.map((one) => ('manifests' in one ? one.manifests : [])) as [
      Manifest[],
      Manifest[],
      Manifest[],
    ];
    errors = answers.map((one) => ('error' in one ? one.error : ''));
  });

  it('renders, or says which value is missing', () => {
    expect(errors).toEqual([
      '', '', '',
      expect.stringContaining('secret.existing: name the Secret with DATABASE_URL and the keys'),
      expect.stringContaining('5 minutes is no duration such as 250ms, 30s or 5m'),
    ]); // prettier-ignore
    const kinds = (all: readonly Manifest[]) => all.map(({ kind }) => kind).sort();
    expect(kinds(preset)).toEqual([
      'CronJob', 'Deployment', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'Service',
    ]); // prettier-ignore
    expect(kinds(everything)).toEqual([
      'CronJob', 'Deployment', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'Service',
      'Service', 'ServiceMonitor',
    ]); // prettier-ignore
    expect(kinds(nothing)).toEqual(['Deployment', 'Service']);
  });

  it('makes what the schemas of Kubernetes allow', () => {
    for (const manifest of [...preset, ...everything, ...nothing]) {
      const Kind = KINDS[manifest.kind as keyof typeof KINDS];
      expect(() => new Kind(manifest as never).validate(), manifest.kind).not.toThrow();
    }
  });

  it('has no field that Kubernetes does not know', () => {
    // The compiler refuses properties that a type does not have, as `kubectl apply --validate=strict` does.
    const directory = mkdtempSync(join(tmpdir(), 'carelink-manifests-'));
    try {
      symlinkSync(
        fileURLToPath(new URL('../../node_modules', import.meta.url)),
        join(directory, 'node_modules'),
      );
      const all = [...preset, ...everything, ...nothing];
      const imports = all.map(({ apiVersion, kind }, at) => {
        const from = apiVersion.startsWith('monitoring')
          ? '@kubernetes-models/prometheus-operator'
          : 'kubernetes-models';
        return `import type { I${kind} as T${at} } from '${from}/${apiVersion}/${kind}';`;
      });
      const checks = all.map((manifest, at) => `export const m${at}: T${at} = ${JSON.stringify(manifest)};`);
      writeFileSync(join(directory, 'manifests.ts'), [...imports, ...checks].join('\n'));
      const options =
        '--noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler --target es2022 --types node';
      const { status, stdout } = spawnSync(
        process.execPath,
        ['node_modules/typescript/bin/tsc', ...options.split(' '), join(directory, 'manifests.ts')],
        { encoding: 'utf8' },
      );
      expect([status, stdout]).toEqual([0, '']);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('lets each pod do no more than it must', () => {
    for (const kind of ['Deployment', 'Job', 'CronJob']) {
      const pod = podOf(everything, kind);
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        // Else a Service named carelink is CARELINK_PORT=tcp://... in each pod.
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(pod.containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        privileged: false,
        capabilities: { drop: ['ALL'] },
      });
    }
    // Only the migration has the URL of the role that owns the tables.
    const keys = (kind: string) =>
      podOf(everything, kind).containers[0].env.map(({ valueFrom }) => valueFrom?.secretKeyRef.key);
    expect(keys('Job')).toContain('MIGRATE_DATABASE_URL');
    for (const kind of ['Deployment', 'CronJob']) expect(keys(kind)).not.toContain('MIGRATE_DATABASE_URL');
  });

  it('gives a stop and a start as long as the server takes, with its own defaults', () => {
    const times = (all: readonly Manifest[]) => {
      const pod = podOf(all, 'Deployment');
      const { periodSeconds, failureThreshold } = pod.containers[0].startupProbe;
      return [pod.terminationGracePeriodSeconds, periodSeconds * failureThreshold];
    };
    const preset = (flag: 'drain-delay' | 'shutdown-timeout' | 'database-wait') =>
      SERVE_OPTIONS[flag].absent / 1_000;
    expect(times(nothing)).toEqual([
      preset('drain-delay') + preset('shutdown-timeout') + 10,
      preset('database-wait') + 20,
    ]);
    expect(times(everything)).toEqual([2 + 120 + 10, 3_620]);
  });

  it('writes options as the program reads them', () => {
    const variables = new Map(
      podOf(everything, 'Deployment').containers[0].env.map(({ name, value }) => [name, value]),
    );
    expect(variables.get('CARELINK_MAX_CONNECTIONS')).toBe('1000000');
    expect(variables.get('CARELINK_CORS_ORIGIN')).toBe('https://a.example,https://b.example');
    // Kubernetes makes one dollar of two, and no variable.
    expect(variables.get('CARELINK_ISSUER')).toBe('a "quoted" $$(HOSTNAME): # text');
    expect(variables.get('CARELINK_SESSION_START')).toBe('true');
    expect(variables.has('CARELINK_TLS_CERT')).toBe(false);
  });
});

describe.skipIf(services().go === undefined || services().postgres === undefined)(
  'what the chart starts',
  () => {
    let database: FreshDatabase;
    beforeAll(async () => {
      database = await freshDatabase();
      await createSimplejwtTables(database.url);
    });
    afterAll(() => database.drop());

    it('migrates, serves with its probes, and cleans up', async () => {
      const [answer] = renderChart([{ options: { 'user-check': 'off' } }]);
      if (answer === undefined || 'error' in answer) throw new Error('it does not render');
      const secret: Record<string, string> = {
        DATABASE_URL: database.url,
        MIGRATE_DATABASE_URL: database.url,
        CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
      };
      const started = (kind: string) => {
        const [{ args, env }] = podOf(answer.manifests, kind).containers;
        const variables = env.map(({ name, value, valueFrom }) => [
          name,
          value ?? secret[valueFrom!.secretKeyRef.key] ?? '',
        ]);
        return { args, env: Object.fromEntries(variables) as Record<string, string> };
      };
      const run = (kind: string) => {
        const { args, env } = started(kind);
        const { status, stderr } = spawnSync(process.execPath, [BIN, ...args], {
          env: cleanEnvironment(env),
          encoding: 'utf8',
        });
        return [status, /no option of that name/.test(stderr)];
      };
      expect(run('Job')).toEqual([0, false]);
      const { args, env } = started('Deployment');
      // The last one counts: other servers may have those ports here.
      const ports = ['--port', String(await freePort()), '--admin-port', String(await freePort())];
      const server = await startServer({
        databaseUrl: database.url,
        args: [...args.slice(1), ...ports],
        env,
      });
      try {
        expect((await fetch(new URL('/healthz', server.adminUrl))).status).toBe(200);
        expect((await fetch(new URL('/readyz', server.adminUrl))).status).toBe(200);
      } finally {
        await server.stop();
      }
      expect(server.output()).not.toContain('no option of that name');
      expect(run('CronJob')).toEqual([0, false]);
    });
  },
);
