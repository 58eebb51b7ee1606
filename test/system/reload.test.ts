import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { checkHistory, describeViolation } from '../chaos/history-checker.js';
import { type Certificate, makeCertificate, shownBy } from '../support/certificates.js';
import { readFinalRows, sendRefresh, startLoad } from '../support/fleet.js';
import { createUsers, type FreshDatabase, openClient } from '../support/postgres.js';
import { childrenOf } from '../support/processes.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

const ready = services().postgres !== undefined && process.platform === 'linux';

const GRACE_MS = 30_000;
const USERS = 20;
const CHAIN_KEY = '00112233445566778899aabbccddeeff';
/** Only a bound against hanging. */
const PATIENCE_MS = 120_000;

describe.skipIf(!ready)('while it runs,', () => {
  let database: FreshDatabase;
  let made: string;
  let certificates: readonly [Certificate, Certificate];
  /** The files that a server is given; new for each test. */
  let files: string;
  const file = (name: string) => join(files, name);
  const write = (name: string, text: string) => writeFileSync(file(name), text);
  const show = ({ cert, key }: Certificate) => {
    write('key.pem', key);
    write('cert.pem', cert);
  };

  beforeAll(async () => {
    database = await migratedDatabase({ notify: true });
    made = mkdtempSync(join(tmpdir(), 'carelink-certificates-'));
    certificates = [await makeCertificate(made, 'first'), await makeCertificate(made, 'second')];
  });
  afterAll(async () => {
    await database.drop();
    rmSync(made, { recursive: true, force: true });
  });
  beforeEach(() => {
    files = mkdtempSync(join(tmpdir(), 'carelink-reload-'));
    const directory = files;
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  });

  const start = async (options: { args?: string[]; env?: Record<string, string> } = {}) => {
    const server = await startServer({
      databaseUrl: database.url,
      args: ['--signing-key-file', file('signing.key'), '--pool-size', '4', ...(options.args ?? [])],
      env: options.env ?? { CARELINK_CHAIN_KEY: CHAIN_KEY },
    });
    onTestFinished(() => server.stop());
    return server;
  };
  const tls = () => ['--tls-cert', file('cert.pem'), '--tls-key', file('key.pem')];
  const agentTrusting = (all: readonly Certificate[], keepAlive: boolean) => {
    const agent = new Agent({ keepAlive, servername: 'localhost', ca: all.map(({ cert }) => cert) });
    onTestFinished(() => agent.destroy());
    return agent;
  };

  it('certificate and signing key of two workers are renewed under load: no reset, no 401', async () => {
    const [first, second] = certificates;
    const secrets = Array.from({ length: 3 }, newSecret);
    show(first);
    write('signing.key', secrets[0]!);
    write('previous.key', newSecret());
    const server = await start({
      args: [
        '--workers',
        '2',
        '--reuse-grace',
        `${GRACE_MS}ms`,
        '--verifying-key-file',
        file('previous.key'),
        ...tls(),
      ],
    });
    const logins = await issueTokens(database.url, await createUsers(database.url, USERS), {
      key: secrets[0]!,
    });
    const trusted = agentTrusting(certificates, true);
    const load = startLoad({ logins, urls: () => [server.url], twins: 0.1, agent: trusted });
    const moving = async () => {
      const before = load.attempts.length;
      const served = () => new Set(load.attempts.slice(before).map(({ family }) => family)).size;
      // Twice: an answer that was on its way brought a token of the key before.
      await until(() => served() === USERS && load.attempts.length >= before + 3 * USERS);
    };

    // A half-written certificate, and then one with another's key.
    write('cert.pem', second.cert.slice(0, 300));
    await told(server, 'certificate_refused', 1);
    expect(await shownBy(server.url, certificates)).toBe('first');
    write('cert.pem', second.cert);
    await until(() =>
      said(server, 'certificate_refused').some((line) => line.includes('KEY_VALUES_MISMATCH')),
    );
    await moving();
    expect(await shownBy(server.url, certificates)).toBe('first');
    write('key.pem', second.key);
    await told(server, 'reloaded', 1);
    expect(await shownOften(server)).toEqual(new Set(['second']));

    // Keys are not watched. An empty file is no key.
    write('signing.key', '');
    server.kill('SIGHUP');
    await told(server, 'reload_refused', 1);
    await moving();
    for (const [n, secret] of secrets.slice(1).entries()) {
      write('previous.key', secrets[n]!);
      write('signing.key', secret);
      if (n === 0) {
        await moving();
        expect(said(server, 'reloaded')).toHaveLength(1);
      }
      server.kill('SIGHUP');
      await told(server, 'reloaded', 2 + n);
      await moving();
    }
    await load.stop();
    expect(load.attempts.filter(({ status }) => status === 401 || status === 'none')).toEqual([]);
    const rows = await readFinalRows(database.url);
    const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
    const history = { roots, attempts: load.attempts, rows };
    // Of twins on both sides of a change one may be signed by the key before, and both are good.
    expect(checkHistory(history, { graceMs: GRACE_MS, keysChange: true }).map(describeViolation)).toEqual([]);

    // A worker that is started later has what the others have, whatever is in the files by then.
    for (const name of ['signing.key', 'previous.key', 'cert.pem', 'key.pem']) write(name, 'half');
    const [victim] = childrenOf(server.pid);
    process.kill(victim!, 'SIGKILL');
    await until(() => said(server, 'worker_listening').length === 3);
    expect(await shownOften(server)).toEqual(new Set(['second']));
    const late = agentTrusting(certificates, false);
    const held = await issueTokens(database.url, await createUsers(database.url, 20), {
      key: secrets.at(-1)!,
    });
    const answers = await Promise.all(
      held.map(({ userId, token }, n) => sendRefresh(server.url, String(userId), token, n, late)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  }, 600_000);

  /** Of many new connections, which both workers take. */
  async function shownOften(server: TestServer): Promise<Set<string>> {
    return new Set(await Promise.all(Array.from({ length: 20 }, () => shownBy(server.url, certificates))));
  }

  it('a worker that does not answer keeps the keys of all as they are, and is named', async () => {
    const [old, next] = [newSecret(), newSecret()];
    write('signing.key', old);
    write('previous.key', old);
    const server = await start({ args: ['--workers', '2', '--verifying-key-file', file('previous.key')] });
    const [halted] = childrenOf(server.pid);
    process.kill(halted!, 'SIGSTOP');
    onTestFinished(() => void process.kill(halted!, 'SIGCONT'));
    write('signing.key', next);
    server.kill('SIGHUP');
    await told(server, 'reload_refused', 1);
    expect(said(server, 'reload_refused')[0]).toContain(String(halted));
    process.kill(halted!, 'SIGCONT');
    expect(await refreshed(server, next)).toBe(401);
    expect(await refreshed(server, old)).toBe(200);
    server.kill('SIGHUP');
    await told(server, 'reloaded', 1);
    expect([await refreshed(server, next), await refreshed(server, old)]).toEqual([200, 200]);
  });

  it('a change that would drop a chain key in use is refused; one that drops tokens is told', async () => {
    const [old, next] = [newSecret(), newSecret()];
    write('signing.key', old);
    // Not pinned: it follows from the signing key.
    const server = await start({ env: {} });
    write('signing.key', next);
    server.kill('SIGHUP');
    await told(server, 'reload_refused', 1);
    expect(said(server, 'reload_refused')[0]).toContain('CARELINK_CHAIN_KEY');
    expect([await refreshed(server, next), await refreshed(server, old)]).toEqual([401, 200]);

    write('signing.key', old);
    const pinned = await start();
    write('signing.key', next);
    pinned.kill('SIGHUP');
    await told(pinned, 'reloaded', 1);
    expect(said(pinned, 'signing_key_not_kept')).toHaveLength(1);
    expect([await refreshed(pinned, next), await refreshed(pinned, old)]).toEqual([200, 401]);
    pinned.kill('SIGHUP');
    await told(pinned, 'reload_unchanged', 1);
  });

  it('a mounted secret is followed through its links, and the alert of a certificate that expires ends', async () => {
    const expiring = await makeCertificate(made, 'expiring', 2);
    const all = [...certificates, expiring];
    write('signing.key', newSecret());
    // As Kubernetes mounts it: each file is a link through ..data, and the new directory takes its place in one step.
    for (const { name, cert, key } of all) {
      const directory = mkdtempSync(join(files, `..${name}-`));
      writeFileSync(join(directory, 'cert.pem'), cert);
      writeFileSync(join(directory, 'key.pem'), key);
      symlinkSync(directory, file(`to-${name}`));
    }
    renameSync(file('to-expiring'), file('..data'));
    symlinkSync(join('..data', 'cert.pem'), file('cert.pem'));
    symlinkSync(join('..data', 'key.pem'), file('key.pem'));
    // And a link to the whole directory, whose change no directory tells.
    symlinkSync(files, `${files}-link`);
    onTestFinished(() => rmSync(`${files}-link`, { force: true }));
    const server = await start({
      args: ['--tls-cert', join(`${files}-link`, 'cert.pem'), '--tls-key', join(`${files}-link`, 'key.pem')],
    });
    await until(async () => (await alertsOf(server)).includes('CERTIFICATE_EXPIRES'));
    renameSync(file('to-first'), file('..data'));
    await told(server, 'reloaded', 1);
    expect(await shownBy(server.url, all)).toBe('first');
    await until(async () => !(await alertsOf(server)).includes('CERTIFICATE_EXPIRES'));

    const elsewhere = mkdtempSync(join(files, 'elsewhere-'));
    writeFileSync(join(elsewhere, 'cert.pem'), certificates[1].cert);
    writeFileSync(join(elsewhere, 'key.pem'), certificates[1].key);
    symlinkSync(elsewhere, `${files}-new`);
    renameSync(`${files}-new`, `${files}-link`);
    await told(server, 'reloaded', 2);
    expect(await shownBy(server.url, all)).toBe('second');
  });

  it('a request ends with the keys that it began with', async () => {
    const [old, next] = [newSecret(), newSecret()];
    write('signing.key', old);
    write('previous.key', old);
    const server = await start({
      args: ['--verifying-key-file', file('previous.key'), '--request-timeout', '60s'],
    });
    const logins = await issueTokens(database.url, await createUsers(database.url, 2), { key: old });
    const [first, second] = logins.map(
      ({ userId, token }, n) =>
        () =>
          sendRefresh(server.url, String(userId), token, n),
    );
    const holder = await openClient(database.url);
    onTestFinished(() => holder.end());
    await holder.query('BEGIN; LOCK token_blacklist_blacklistedtoken');
    const held = first!();
    await until(async () =>
      (await metricsOf(server)).includes('carelink_cache_lookups_total{result="unknown"} 1'),
    );
    write('signing.key', next);
    server.kill('SIGHUP');
    await told(server, 'reloaded', 1);
    await holder.query('COMMIT');
    const { status, pair } = await held;
    expect(status).toBe(200);
    expect([signedWith(pair!.access, old), signedWith(pair!.refresh, old)]).toEqual([true, true]);
    const { pair: later } = await second!();
    expect([signedWith(later!.access, next), signedWith(later!.refresh, next)]).toEqual([true, true]);
  });

  async function refreshed(server: TestServer, key: string): Promise<number | 'none'> {
    const [login] = await issueTokens(database.url, await createUsers(database.url, 1), { key });
    return (await sendRefresh(server.url, String(login!.userId), login!.token, 0)).status;
  }
});

const newSecret = (): string => randomBytes(48).toString('base64');

function signedWith(token: string, secret: string): boolean {
  const [header, claims, signature] = token.split('.');
  return createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url') === signature;
}

const metricsOf = async ({ adminUrl }: TestServer): Promise<string> =>
  (await fetch(`${adminUrl}/metrics`)).text();

/** The log's lines of an event. */
function said(server: TestServer, event: string): string[] {
  return server
    .output()
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`));
}

async function told(server: TestServer, event: string, times: number): Promise<void> {
  await until(
    () => said(server, event).length >= times,
    () => server.output(),
  );
  expect(said(server, event)).toHaveLength(times);
}

/** The codes of those that are raised. */
async function alertsOf(server: TestServer): Promise<string[]> {
  const text = await metricsOf(server);
  return [...text.matchAll(/^carelink_alert_active\{code="(\w+)"\} [1-9]/gm)].map(([, code]) => code!);
}

async function until(done: () => boolean | Promise<boolean>, context = () => ''): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadlineMs) throw new Error(`it did not come to be\n${context()}`);
    await sleep(20);
  }
}
