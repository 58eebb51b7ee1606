import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { exampleSecrets } from '../../src/compose/example-secrets.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const examplesOf = (env: Readonly<Record<string, string>>) =>
  exampleSecrets(doctorSettings({}, { env, cwd: '/', readFile: () => '' }), env['CARELINK_SIGNING_KEY']);

describe('secrets of an example', () => {
  it('that were left as deploy/kubernetes/config.yaml has them are each named by doctor', () => {
    const [tokens, migration] = parseAllDocuments(read('deploy/kubernetes/config.yaml')).map(
      (document) => (document.toJS() as { stringData: Record<string, string> }).stringData,
    );
    for (const env of [tokens, { ...tokens, ...migration }])
      expect(examplesOf(env!)).toEqual([
        'The signing key',
        'The password in --database-url',
        'CARELINK_CHAIN_KEY',
      ]);
  });

  it('are not what random ones look like', () => {
    const env = {
      DATABASE_URL: 'postgres://carelink:9f2b7a51c0@db/app',
      CARELINK_SIGNING_KEY: 'django-insecure-x8!vq0$w2^k7r_1m5&a9z#c3u6b4n+e@t-ojhgfdsyilp',
      CARELINK_CHAIN_KEY: '00112233445566778899aabbccddeeff',
    };
    expect(examplesOf(env)).toEqual([]);
  });

  it('are none in deploy/compose.yaml: it asks for each', () => {
    expect(read('deploy/compose.yaml')).not.toMatch(/change-me|:-/);
  });
});

const PROXIES = ['same-origin', 'other-origin', 'unix-socket'].flatMap((name) => [
  `nginx/${name}.conf`,
  `haproxy/${name}.cfg`,
]);

describe.each(PROXIES)('deploy/%s', (file) => {
  const patterns = [
    ...read(`deploy/${file}`).matchAll(/(?:location ~|acl tokens path,url_dec -m reg) (\S+)/g),
  ].map(([, pattern]) => new RegExp(pattern!));
  it.each([
    'refresh/', 'refresh', 'verify/', 'blacklist/', 'sliding/refresh/', 'client/token-manager.js',
    'client/service-worker.js', '.well-known/jwks.json',
  ])('sends %s to carelink-tokens', (path) => {
    expect(patterns.filter((one) => one.test(`/account/token/${path}`))).toHaveLength(1);
  }); // prettier-ignore
  it.each(['obtain/', 'client/', 'client/../obtain/', 'refresh/x', '.well-known/'])(
    'leaves %s with Django',
    (path) => {
      expect(patterns).toHaveLength(1);
      expect(patterns.some((one) => one.test(`/account/token/${path}`))).toBe(false);
    },
  );
});
