/** Whatever headers a client sends through a real nginx or HAProxy, the address that counts is the one that the proxy heard. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDeployedHaProxy, startDeployedNginx, type DeployedProxy } from '../support/deployed-proxies.js';
import { freePort } from '../support/free-port.js';
import { rawRequest } from '../support/raw-request.js';
import { until } from '../support/redis.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';

/** What a client may write to be taken for somebody else, or for a proxy. */
const FORMS: readonly (readonly string[])[] = [
  [],
  ['X-Forwarded-For: 198.51.100.1'],
  ['X-Forwarded-For: 127.0.0.1'],
  ['X-Forwarded-For: 198.51.100.1, 127.0.0.1'],
  ['X-Forwarded-For: 127.0.0.1, 198.51.100.1'],
  ['X-Forwarded-For: 198.51.100.1', 'X-Forwarded-For: 127.0.0.1'],
  ['X-Forwarded-For: 127.0.0.1', 'X-Forwarded-For: 127.0.0.1', 'X-Forwarded-For: 127.0.0.1'],
  ['x-forwarded-for: 198.51.100.1', 'X-FORWARDED-FOR: 198.51.100.2'],
  ['X-Forwarded-For: 198.51.100.1:4711'],
  ['X-Forwarded-For: [2001:db8::1]:4711'],
  ['X-Forwarded-For: 2001:db8::1'],
  ['X-Forwarded-For: ::ffff:127.0.0.1'],
  ['X-Forwarded-For: ::1'],
  ['X-Forwarded-For: unknown'],
  ['X-Forwarded-For: localhost'],
  ['X-Forwarded-For: _hidden, 127.0.0.1'],
  ['X-Forwarded-For:'],
  ['X-Forwarded-For: ,'],
  ['X-Forwarded-For: 198.51.100.1,'],
  ['X-Forwarded-For: , , ,127.0.0.1,'],
  ['X-Forwarded-For:\t198.51.100.1\t,\t127.0.0.1'],
  ['X-Forwarded-For: 198.51.100.1 127.0.0.1'],
  ['X-Forwarded-For: 198.51.100.1;127.0.0.1'],
  ['X-Forwarded-For: "198.51.100.1, 127.0.0.1"'],
  ['X-Forwarded-For: "127.0.0.1'],
  ['X-Forwarded-For: 127.0.0.1\\'],
  ['X-Forwarded-For: 999.1.1.1'],
  ['X-Forwarded-For: 127.1'],
  ['X-Forwarded-For: 0x7f000001'],
  ['X-Forwarded-For: \xe4\xf6\xfc, 127.0.0.1'],
  [`X-Forwarded-For: ${'127.0.0.1, '.repeat(300)}198.51.100.1`],
  ['X_Forwarded_For: 198.51.100.1'],
  ['X-Forwarded-For : 198.51.100.1'],
  ['X-Forwarded-For: 198.51.100.1\r\n , 127.0.0.1'],
  ['Connection: X-Forwarded-For'],
  ['X-Forwarded-For: 198.51.100.1', 'Connection: close, X-Forwarded-For'],
  ['Forwarded: for=198.51.100.1'],
  ['Forwarded: for=198.51.100.1', 'X-Forwarded-For: 127.0.0.1'],
  ['Forwarded: for=127.0.0.1, for="[::1]"'],
  ['X-Real-IP: 198.51.100.1'],
  ['X-Client-IP: 198.51.100.1', 'True-Client-IP: 198.51.100.2', 'CF-Connecting-IP: 198.51.100.3'],
  ['X-Forwarded-For: 198.51.100.1', 'X-Request-ID: mine', 'Via: 1.1 127.0.0.1'],
  ['X-Forwarded: 198.51.100.1', 'X-Cluster-Client-IP: 198.51.100.1', 'X-Originating-IP: 127.0.0.1'],
];

interface Line {
  readonly event: string;
  readonly address: string;
  readonly request_id: string;
}

const found = services();

describe.skipIf(found.postgres === undefined || found.nginx === undefined || found.haproxy === undefined)(
  'behind real proxies',
  () => {
    const world = rotationWorld();
    let server: TestServer;
    const proxies: Record<string, DeployedProxy> = {};

    beforeAll(async () => {
      server = await startServer({
        databaseUrl: world.url,
        args: ['--trusted-proxy', '127.0.0.1', '--access-log', 'all', '--throttle-address', '2/h'],
      });
      const port = (url: string) => Number(new URL(url).port);
      const [django, admin, carelink] = [await freePort(), port(server.adminUrl), port(server.url)];
      const behind = { carelink, admin, django };
      const nginx = await startDeployedNginx('same-origin', behind);
      const haproxy = await startDeployedHaProxy('same-origin', behind);
      // Two in a row: HAProxy speaks to nginx from loopback, where no client of these tests is.
      const both = await startDeployedHaProxy('same-origin', { ...behind, carelink: nginx.port });
      Object.assign(proxies, { nginx, HAProxy: haproxy, 'HAProxy before nginx': both });
    });
    afterAll(async () => {
      for (const proxy of Object.values(proxies)) await proxy.stop();
      await server.stop();
    });

    const lines = (): Line[] =>
      server
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Line)
        .filter(({ event }) => event === 'request');

    /** Lines come by a pipe, after the answers that they tell of. */
    const logged = async (count: number): Promise<Line[]> => {
      await until(() => Promise.resolve(lines().length >= count));
      return lines();
    };

    const forged = (proxy: string, from: string, headers: readonly string[]) =>
      rawRequest({
        port: proxies[proxy]!.port,
        target: 'POST /account/token/verify/',
        lines: headers,
        body: '{"token":"x"}',
        from,
      });

    it.each([
      ['nginx', '127.0.1'],
      ['HAProxy', '127.0.2'],
      ['HAProxy before nginx', '127.0.3'],
    ])('%s: no client chooses its address, nor the id of its request', async (proxy, network) => {
      const before = lines().length;
      const passed: string[] = [];
      for (const [n, headers] of FORMS.entries()) {
        // Each comes from an address of its own.
        const from = `${network}.${n + 1}`;
        const { status } = await forged(proxy, from, headers);
        // What is no header at all a proxy refuses, and the server hears nothing of it.
        expect([401, 400], headers.join()).toContain(status);
        if (status === 401) passed.push(from);
      }
      expect(passed.length).toBeGreaterThanOrEqual(40);
      const told = await logged(before + passed.length).then((all) => all.slice(before));
      expect(told.map(({ address }) => address)).toEqual(passed);
      for (const { request_id } of told) expect(request_id).toMatch(/^[0-9a-f-]{32,36}$/);

      // So a client that forges tokens is held to its rate, whatever it writes; its neighbour isn't.
      const forger = `${network}.100`;
      const answers = [];
      for (const headers of FORMS.slice(1, 6)) answers.push((await forged(proxy, forger, headers)).status);
      expect(answers).toEqual([401, 401, 429, 429, 429]);
      expect((await forged(proxy, `${network}.101`, FORMS[1]!)).status).toBe(401);
      await logged(before + passed.length + 6);
    });
  },
);
