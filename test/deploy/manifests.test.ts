import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { CLEANUP_OPTIONS } from '../../src/config/cleanup-options.js';
import { MIGRATE_OPTIONS } from '../../src/config/migrate-options.js';
import { variableOf, type Table } from '../../src/config/option.js';
import { resolve } from '../../src/config/resolve.js';
import { SERVE_OPTIONS } from '../../src/config/serve-options.js';

const TABLES: Readonly<Record<string, Table>> = {
  serve: SERVE_OPTIONS,
  migrate: MIGRATE_OPTIONS,
  cleanup: CLEANUP_OPTIONS,
};

const read = (path: string) => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');

/** A command line as the manifests have it: each flag is known, and takes its value. */
function expectUnderstood(args: readonly string[], env: Readonly<Record<string, string>>): void {
  const [command = '', ...rest] = args;
  const table = TABLES[command];
  if (table === undefined) throw new Error(`there is no command ${command}`);
  const flags: Record<string, string | boolean> = {};
  for (let at = 0; at < rest.length; at++) {
    const flag = rest[at]!.replace(/^--/, '');
    expect(table, args.join(' ')).toHaveProperty([flag]);
    flags[flag] = table[flag]!.form === 'toggle' ? true : rest[++at]!;
  }
  expect(resolve(table, flags, env).problems).toEqual([]);
}

const KNOWN = new Set(Object.values(TABLES).flatMap((table) => Object.keys(table).map(variableOf)));

describe('deploy/compose.yaml', () => {
  interface Service {
    readonly image: string;
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly depends_on?: Readonly<Record<string, unknown>>;
    readonly volumes?: readonly string[];
    readonly healthcheck?: { readonly disable?: boolean };
  }
  const compose = parse(read('compose.yaml'), { merge: true }) as {
    services: Readonly<Record<string, Service>>;
    volumes: Readonly<Record<string, unknown>>;
  };
  const services = Object.entries(compose.services);

  it.each(services.filter(([, { image }]) => image === 'carelink-tokens'))(
    '%s gives the command flags and variables that it knows',
    (_, { command = [], environment = {} }) => {
      // As compose would fill them in.
      const filled = Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [
          name,
          value.replace(
            /\$\{\w+(?::-([^}]*)|:\?[^}]*)\}/,
            (_all, preset?: string) => preset ?? '00112233445566778899aabbccddeeff',
          ),
        ]),
      );
      expectUnderstood(command, filled);
      for (const name of Object.keys(filled).filter((one) => one.startsWith('CARELINK_')))
        expect(KNOWN).toContain(name);
    },
  );

  it("takes the image's health check, which asks the admin port, only where serve runs", () => {
    for (const [name, { image, command = [], healthcheck }] of services) {
      if (image === 'carelink-tokens')
        expect(healthcheck?.disable === true, name).toBe(command[0] !== 'serve');
    }
  });

  it('refers to services and volumes that it has', () => {
    for (const [, { depends_on = {}, volumes = [] }] of services) {
      for (const name of Object.keys(depends_on)) expect(compose.services).toHaveProperty(name);
      for (const volume of volumes) expect(compose.volumes).toHaveProperty(volume.split(':')[0]!);
    }
    const urls = services.flatMap(([, { environment = {} }]) => [
      environment['DATABASE_URL'],
      environment['REDIS_URL'],
    ]);
    for (const url of urls.filter((one) => one !== undefined)) {
      expect(compose.services).toHaveProperty(/([a-z]+):\d+(?:\/|$)/.exec(url)![1]!);
    }
  });
});

describe('deploy/kubernetes', () => {
  interface Container {
    readonly args: readonly string[];
    readonly image: string;
    readonly env?: readonly {
      readonly name: string;
      readonly valueFrom: { secretKeyRef: { name: string; key: string } };
    }[];
    readonly envFrom?: readonly { readonly secretRef: { name: string } }[];
    readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
    readonly livenessProbe?: { httpGet: { path: string; port: string } };
    readonly readinessProbe?: { httpGet: { path: string; port: string } };
    readonly securityContext?: object;
  }
  interface Resource {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string };
    readonly stringData?: Readonly<Record<string, string>>;
    readonly spec?: {
      readonly selector?: Readonly<Record<string, string>> & { matchLabels?: Record<string, string> };
      readonly ports?: readonly { targetPort: string }[];
      readonly template?: PodTemplate;
      readonly jobTemplate?: { spec: { template: PodTemplate } };
      readonly podSelector?: { matchLabels: Record<string, string> };
      readonly ingress?: readonly { from?: readonly object[]; ports: readonly { port: string }[] }[];
    };
  }
  interface PodTemplate {
    readonly metadata?: { labels: Record<string, string> };
    readonly spec: {
      readonly containers: readonly Container[];
      readonly automountServiceAccountToken?: boolean;
      readonly enableServiceLinks?: boolean;
    };
  }
  const resources = readdirSync(new URL('../../deploy/kubernetes', import.meta.url)).flatMap((file) =>
    parseAllDocuments(read(`kubernetes/${file}`)).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Resource;
    }),
  );
  const one = (kind: string) => resources.find((resource) => resource.kind === kind)!;
  const secrets = new Map(
    resources.flatMap(({ metadata, stringData }) => (stringData ? [[metadata.name, stringData]] : [])),
  );
  const podOf = ({ spec }: Resource) => spec?.jobTemplate?.spec.template ?? spec?.template;
  const containers = resources.flatMap((resource) => podOf(resource)?.spec.containers ?? []);

  it('has what it takes', () => {
    expect(resources.map(({ kind }) => kind).sort()).toEqual([
      'CronJob', 'Deployment', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'Secret', 'Secret', 'Service',
    ]); // prettier-ignore
    for (const { apiVersion, metadata } of resources) {
      expect(apiVersion).toMatch(/^(v1|apps\/v1|batch\/v1|policy\/v1|networking\.k8s\.io\/v1)$/);
      expect(metadata.name).toMatch(/^carelink-/);
    }
  });

  it.each(containers.map((container) => [container.args.join(' '), container] as const))(
    '%s is understood, with what the secret has',
    (_, { args, env, envFrom }) => {
      const whole = (envFrom ?? []).map(({ secretRef }) => secrets.get(secretRef.name)!);
      const named = (env ?? []).map(({ name, valueFrom: { secretKeyRef } }) => {
        const value = secrets.get(secretKeyRef.name)?.[secretKeyRef.key];
        expect(value, secretKeyRef.name).toBeDefined();
        return { [name]: value! };
      });
      expectUnderstood(args, Object.assign({}, ...whole, ...named) as Record<string, string>);
    },
  );

  it('knows every variable of the secrets', () => {
    for (const name of [...secrets.values()].flatMap((secret) => Object.keys(secret)))
      expect(KNOWN).toContain(name.startsWith('CARELINK_') ? name : `CARELINK_${name}`);
  });

  it('shows the role that owns the tables to the migration alone', () => {
    const seen = containers
      .filter((container) => JSON.stringify([container.env, container.envFrom]).includes('carelink-migrate'))
      .map(({ args }) => args[0]);
    expect(seen).toEqual(['migrate']);
  });

  it('sends to pods, ports and paths that there are', () => {
    const pod = podOf(one('Deployment'))!;
    const [tokens] = pod.spec.containers;
    for (const resource of [
      one('Service').spec!.selector!,
      one('PodDisruptionBudget').spec!.selector!.matchLabels!,
    ]) {
      expect(pod.metadata!.labels).toMatchObject(resource);
    }
    const ports = new Map(tokens!.ports!.map(({ name, containerPort }) => [name, containerPort]));
    expect(one('Service').spec!.ports!.every(({ targetPort }) => ports.has(targetPort))).toBe(true);
    const { livenessProbe, readinessProbe } = tokens!;
    expect([livenessProbe!.httpGet.path, readinessProbe!.httpGet.path]).toEqual(['/healthz', '/readyz']);
    expect(ports.get(readinessProbe!.httpGet.port)).toBe(9464);
  });

  it('runs every container without any right that it does not need', () => {
    for (const resource of resources) {
      const pod = podOf(resource)?.spec;
      if (pod === undefined) continue;
      expect([pod.automountServiceAccountToken, pod.enableServiceLinks]).toEqual([false, false]);
      for (const { securityContext } of pod.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 1000,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        });
      }
    }
  });

  it('lets nobody but the namespace of the monitoring to the admin port', () => {
    const { podSelector, ingress } = one('NetworkPolicy').spec!;
    expect(podOf(one('Deployment'))!.metadata!.labels).toMatchObject(podSelector!.matchLabels);
    const anybody = ingress!.filter(({ from }) => from === undefined).flatMap(({ ports }) => ports);
    expect(anybody).toEqual([{ port: 'http' }]);
  });

  it('has no cleanup that ends with 3, which Kubernetes calls a failed job', () => {
    const [cleanup] = podOf(one('CronJob'))!.spec.containers;
    expect(cleanup!.args.filter((arg) => /^--max-/.test(arg))).toEqual([]);
  });

  it('runs the version of this package, everywhere', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(new Set(containers.map(({ image }) => image))).toEqual(new Set([`carelink-tokens:${version}`]));
  });
});
