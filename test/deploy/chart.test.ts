/** What the Helm chart says of the program, held to the option tables. test/system/helm-chart.test.ts renders it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { variableOf } from '../../src/config/option.js';
import { SERVE_OPTIONS } from '../../src/config/serve-options.js';

const CHART = 'deploy/helm/carelink-tokens';
const read = (name: string): string => readFileSync(join(CHART, name), 'utf8');
/** As Helm reads it: YAML 1.1, in which `off` is false. */
const yaml = (text: string): unknown => parse(text, { version: '1.1' });
const values = yaml(read('values.yaml')) as { secret: { required: string[]; optional: string[] } };
const valid = new Ajv({ strict: false }).compile(JSON.parse(read('values.schema.json')) as object);
const refused = (given: unknown): boolean => !valid(given);

describe('the Helm chart', () => {
  it('has values that its schema allows', () => {
    expect([valid(values), valid.errors]).toEqual([true, null]);
  });

  it.each([
    'options: { pool-sise: 4 }', 'options: { workers: 0 }', 'options: { rotation: sometimes }', 'options: { demo: true }',
    'options: { json: 1 }', 'options: { drain-delay: 5 }', 'options: { access-log: off }', 'options: { port: 80 }',
    'options: { database-url: "postgres://a:b@c/d" }', 'options: { signing-key: abc }', 'migrate: { options: { yes: true } }',
    'cleanup: { options: { max-rows: 5 } }', 'serve: { replica: 3 }', 'replicas: 3',
  ])('refuses %s', (given) => {
    expect(refused(yaml(given))).toBe(true);
  }); // prettier-ignore

  it.each([
    'options: { pool-size: 4, workers: 2, rotation: "off", json: true, cors-origin: ["https://app.example.org"] }',
    'options: { simplejwt-compat: 5.2, leeway: 0s, revoke-claim-hash: sha256 }',
    'cleanup: { options: { batch-size: 500, retention: 1h } }',
  ])('allows %s', (given) => {
    expect([refused(yaml(given)), valid.errors]).toEqual([false, null]);
  });

  it('takes every variable that may hold a secret from the Secret, and no other', () => {
    const sensitive = Object.entries(SERVE_OPTIONS)
      .filter(([, { sensitive: is }]) => is)
      .flatMap(([flag, { customary }]) => [variableOf(flag), ...customary]);
    const { required, optional } = values.secret;
    // One name is enough for the one that has to be there.
    expect([...required, ...optional].sort()).toEqual(
      sensitive.filter((name) => name !== 'CARELINK_DATABASE_URL').sort(),
    );
  });

  it('is of the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const chart = yaml(read('Chart.yaml')) as { version: string; appVersion: string };
    expect([chart.version, chart.appVersion]).toEqual([version, version]);
  });
});
