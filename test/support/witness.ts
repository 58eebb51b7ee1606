import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { startReceiver, type Posted } from './receiver.js';
import { startServer, type ServerOptions, type TestServer } from './server.js';
import { services } from './services.js';

/** A server whose alerts are watched wherever they are to be told. */
export interface Witness {
  readonly server: TestServer;
  readonly page: Page;
  readonly posted: readonly Posted[];
  /** Waits until all of these came to the webhook; then each is on the page, in the log and in the metrics, once. */
  raised(...codes: string[]): Promise<void>;
  /** Waits until these are over, for the webhook, the page and the metrics. */
  cleared(...codes: string[]): Promise<void>;
  stop(): Promise<void>;
}

/** Only a bound against hanging: three windows of a minute, and a machine that has other work. */
const PATIENCE_MS = 10 * 60_000;
/** What is at the webhook is on the page with its next event. */
const SOON = { timeout: 30_000 };

export async function startWitness(options: ServerOptions): Promise<Witness> {
  const receiver = await startReceiver();
  const server = await startServer({
    ...options,
    env: { ...options.env, CARELINK_ALERT_WEBHOOK: receiver.url },
  });
  const browser = await chromium.launch({
    executablePath: services().chromium!,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(`${server.adminUrl}/dashboard`);

  const of = (event: Posted['event'], code: string) =>
    receiver.posted.filter((one) => one.event === event && one.code === code);
  const come = async (event: Posted['event'], codes: readonly string[]): Promise<void> => {
    const giveUpMs = performance.now() + PATIENCE_MS;
    while (!codes.every((code) => of(event, code).length > 0)) {
      if (performance.now() > giveUpMs)
        throw new Error(`Not ${event}: ${codes.join(', ')}, but: ${JSON.stringify(receiver.posted)}`);
      await sleep(250);
    }
  };
  const shown = (code: string) => page.locator(`.alert[data-code=${code}]`).count();
  const active = async (code: string) => {
    const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
    return Number(new RegExp(`^carelink_alert_active\\{code="${code}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  const logged = (code: string) =>
    server
      .output()
      .split('\n')
      .filter((line) => line.includes('alert_raised') && line.includes(`"alert":"${code}"`)).length;
  return {
    server,
    page,
    posted: receiver.posted,
    async raised(...codes) {
      await come('raised', codes);
      for (const code of codes) {
        const now = () => of('raised', code).length - of('cleared', code).length;
        await expect.poll(async () => (await shown(code)) === now(), SOON).toBe(true);
        await expect.poll(async () => (await active(code)) === now(), SOON).toBe(true);
        const subjects = of('raised', code).map(({ subject }) => subject);
        expect([code, subjects]).toEqual([code, [...new Set(subjects)]]);
        expect([code, logged(code)]).toEqual([code, subjects.length]);
      }
    },
    async cleared(...codes) {
      await come('cleared', codes);
      for (const code of codes) {
        await expect.poll(() => shown(code), SOON).toBe(0);
        await expect.poll(() => active(code), SOON).toBe(0);
      }
    },
    async stop() {
      await browser.close();
      await server.stop();
      receiver.stop();
    },
  };
}
