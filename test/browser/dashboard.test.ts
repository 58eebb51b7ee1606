import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { dashboardRow } from '../support/dashboard-row.js';
import { startReceiver, type Receiver } from '../support/receiver.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { startServer, type ServerOptions, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, issueTokens, mintRefresh } from '../support/tokens.js';

const { chromium: binary, postgres, redis: anyRedis } = services();
const ready = binary !== undefined && postgres !== undefined && anyRedis !== undefined;

/** Enough for KPIs to be measured. */
const REFRESHES = 150;

interface Kpi {
  readonly id: string;
  readonly window: string;
  readonly value: number | null;
  readonly unit: string;
  readonly verdict: string;
}

describe.skipIf(!ready)('the dashboard, in a browser', () => {
  let database: FreshDatabase;
  let redis: RedisServer;
  let server: TestServer;
  let options: ServerOptions;
  let browser: Browser;
  let page: Page;
  let receiver: Receiver;
  let directory: string;
  const foreign: string[] = [];
  const complaints: string[] = [];
  const secrets: string[] = [];

  const adminPort = () => new URL(server.adminUrl).port;
  const kpisNow = async () =>
    ((await (await fetch(`${server.adminUrl}/kpis`)).json()) as { kpis: Kpi[] }).kpis;
  const metricsNow = async () => (await fetch(`${server.adminUrl}/metrics`)).text();

  beforeAll(async () => {
    database = await migratedDatabase();
    // A build that broke off.
    await query(
      database.url,
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_blacklisted_token_created'::regclass`,
    );
    redis = await startRedis();
    receiver = await startReceiver();
    directory = mkdtempSync(join(tmpdir(), 'carelink-dashboard-'));
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    execFileSync(
      'openssl',
      [
        'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3', '-subj',
        '/CN=localhost', '-keyout', key, '-out', cert,
      ],
      { stdio: 'ignore' },
    ); // prettier-ignore
    options = {
      databaseUrl: database.url,
      args: ['--redis-url', `redis://127.0.0.1:${redis.port}`, '--tls-cert', cert, '--tls-key', key],
      env: { CARELINK_ALERT_WEBHOOK: receiver.url },
    };
    secrets.push('hook-s3cret');
    server = await startServer(options);
    browser = await chromium.launch({
      executablePath: binary!,
      args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
    page.on('request', (request) => {
      if (!request.url().startsWith(server.adminUrl) && !request.url().startsWith('data:'))
        foreign.push(request.url());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // A server that is gone is told by the browser, too.
      if (message.type() === 'error' && !message.text().includes('ERR_')) complaints.push(message.text());
    });
    await page.goto(`${server.adminUrl}/dashboard`);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
    receiver.stop();
    await redis.stop();
    await database.drop();
    rmSync(directory, { recursive: true });
  });

  it('its figures are those of /kpis and /metrics', async () => {
    const users = await createUsers(database.url, 10);
    const tokens = await issueTokens(database.url, users, { iatSeconds: Math.floor(Date.now() / 1000) - 1 });
    await Promise.all(
      tokens.map(async ({ token }) => {
        let next = token;
        for (let n = 0; n < REFRESHES / tokens.length; n++) next = (await refresh(server, next)).refresh!;
        secrets.push(next.split('.')[2]!, String(decodeToken(next).claims['jti']));
      }),
    );
    await page.getByText('since start', { exact: true }).click();
    // When all is at rest and audited both say the same; until then they are some milliseconds apart.
    const background = page.locator('[data-kpi=background]');
    await expect.poll(() => background.locator('.verdict').textContent(), { timeout: 30_000 }).toBe('holds');
    expect(await background.locator('.figure').textContent()).toBe('100.00 %');
    const digits: Record<string, number> = { statements: 3 };
    for (const { id, window, value, unit, verdict } of await kpisNow()) {
      if (window !== 'since_start') continue;
      const card = page.locator(`[data-kpi=${id}]`);
      const text = `${value!.toLocaleString('en-US', { minimumFractionDigits: digits[unit] ?? 2, maximumFractionDigits: digits[unit] ?? 2 })} ${unit}`;
      expect([id, await card.locator('.figure').textContent()]).toEqual([id, text]);
      expect(await card.locator('.verdict').textContent()).toBe(verdict === 'pass' ? 'holds' : 'missed');
    }
    const metrics = await metricsNow();
    expect(metrics).toContain(`carelink_token_refresh_total{outcome="rotated"} ${REFRESHES}\n`);
    expect(await row('rotated')).toBe(String(REFRESHES));
    expect(await row('dashboards open')).toBe('1');
    expect(metrics).toContain('carelink_event_streams 1\n');
    expect(await row('invalid indexes')).toBe('1');
    // Too early for an estimate.
    expect(await row('active, estimated')).toBe('-');
    const late = mintRefresh({ userId: users[0]!, iatSeconds: 1_700_000_000 });
    expect((await refresh(server, late.token)).status).toBe(401);
    await expect.poll(() => row('expired')).toBe('1');
  });

  it('alerts that are provoked are on the page, in the log, in the metrics and at the webhook, once each', async () => {
    const [user] = await createUsers(database.url, 1);
    const [first] = await issueTokens(database.url, [user!], {
      iatSeconds: Math.floor(Date.now() / 1000) - 1,
    });
    await refresh(server, first!.token);
    // As if somebody else had claimed it, a minute before.
    await query(
      database.url,
      `UPDATE token_blacklist_blacklistedtoken SET blacklisted_at = blacklisted_at - interval '1 minute'
        WHERE token_id = (SELECT id FROM token_blacklist_outstandingtoken WHERE jti = $1)`,
      [first!.jti],
    );
    expect((await refresh(server, first!.token)).status).toBe(401);
    redis.kill('SIGKILL');
    const codes = ['STORE_DOWN', 'DOUBLE_SPEND', 'INVALID_INDEX', 'CERTIFICATE_EXPIRES'];
    const shown = () =>
      page.locator('.alert').evaluateAll((all) => all.map((one) => one.getAttribute('data-code')));
    await expect.poll(shown, { timeout: 30_000 }).toEqual(codes);
    expect(await page.locator('[data-code=INVALID_INDEX]').textContent()).toContain(
      'carelink-tokens migrate',
    );
    await expect.poll(() => receiver.posted.length, { timeout: 10_000 }).toBe(codes.length);
    expect(receiver.posted.map(({ event, code }) => `${event} ${code}`).sort()).toEqual(
      codes.map((code) => `raised ${code}`).sort(),
    );
    const metrics = await metricsNow();
    const logged = server
      .output()
      .split('\n')
      .filter((line) => line.includes('alert_raised'));
    expect(logged).toHaveLength(codes.length);
    for (const code of codes) {
      expect(metrics).toContain(`carelink_alert_active{code="${code}"} 1\n`);
      expect(logged.filter((line) => line.includes(`"alert":"${code}"`))).toHaveLength(1);
    }
  });

  it('can be worked with by keyboard', async () => {
    await page.goto(`${server.adminUrl}/dashboard`);
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the KPIs');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Pause');
    await page.keyboard.press('Tab');
    for (const theme of ['light', 'dark']) {
      await page.keyboard.press('Enter');
      expect(await page.locator('html').getAttribute('data-theme')).toBe(theme);
    }
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('#windows input:checked').getAttribute('value')).toBe('15m');
  });

  it('fits a small screen, and loads nothing but itself', async () => {
    await page.setViewportSize({ width: 360, height: 700 });
    const overflow = () => page.evaluate('document.documentElement.scrollWidth - innerWidth');
    await expect.poll(overflow).toBeLessThanOrEqual(0);
    expect(foreign).toEqual([]);
    const document = await fetch(`${server.adminUrl}/dashboard`);
    expect(document.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'sha256-/,
    );
    const [html, event] = [await page.content(), await firstEvent(server)];
    for (const secret of secrets) {
      for (const text of [html, event, server.output()]) expect(text).not.toContain(secret);
    }
    expect(html + event).not.toMatch(/eyJ[\w-]{8,}/);
  });

  it('at most 16 follow the events; one more is told to come later', async () => {
    const onlyThePage = () =>
      expect
        .poll(async () => (await metricsNow()).includes('carelink_event_streams 1\n'), { timeout: 10_000 })
        .toBe(true);
    await onlyThePage();
    const stop = new AbortController();
    const { signal } = stop;
    const streams = await Promise.all(
      Array.from({ length: 15 }, () => fetch(`${server.adminUrl}/events`, { signal })),
    );
    expect(streams.map(({ status }) => status)).toEqual(Array(15).fill(200));
    const refused = await fetch(`${server.adminUrl}/events`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    stop.abort();
    await onlyThePage();
  });

  it('says when its server is gone, and goes on by itself when it is back', async () => {
    const port = adminPort();
    await server.stop();
    expect((await server.exited).code).toBe(0);
    await expect.poll(() => page.locator('#state').textContent()).toBe('disconnected');
    expect(await page.locator('#lost').isVisible()).toBe(true);
    server = await startServer({ ...options, args: [...options.args!, '--admin-port', port] });
    await expect.poll(() => page.locator('#state').textContent(), { timeout: 30_000 }).toBe('live');
    expect(await page.locator('#lost').isVisible()).toBe(false);
    await expect.poll(() => row('rotated'), { timeout: 10_000 }).toBe('0');
    expect(complaints).toEqual([]);
  });

  const row = (label: string) => dashboardRow(page, label);
  const focused = () => page.evaluate('document.activeElement.textContent');
});

/** The certificate is the test's own, and nobody's to trust. */
function refresh(
  server: TestServer,
  token: string,
): Promise<{ status: number; refresh: string | undefined }> {
  const body = JSON.stringify({ refresh: token });
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(
      new URL('/account/token/refresh/', server.url),
      { method: 'POST', rejectUnauthorized: false, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.on('data', (part) => (text += String(part)));
        response.on('end', () => {
          const { refresh: next } = JSON.parse(text) as { refresh?: string };
          resolve({ status: response.statusCode!, refresh: next });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function firstEvent(server: TestServer): Promise<string> {
  const stop = new AbortController();
  const response = await fetch(`${server.adminUrl}/events`, { signal: stop.signal });
  let text = '';
  for await (const part of response.body!) {
    text += Buffer.from(part as Uint8Array).toString();
    if (text.includes('\n\ndata: ') && text.endsWith('\n\n')) break;
  }
  stop.abort();
  return text;
}
