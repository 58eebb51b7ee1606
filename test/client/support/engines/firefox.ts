import puppeteer, { type Page } from 'puppeteer-core';
import { endWithUs } from '../../../support/end-with-us.js';
import type { Engine, Tab } from './engine.js';

/** A bound against hanging. */
const MOST_MS = 60_000;

/** Firefox by WebDriver BiDi. */
export async function startFirefox(executablePath: string): Promise<Engine> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    timeout: MOST_MS,
    protocolTimeout: MOST_MS,
  });
  endWithUs(browser.process()!);
  return {
    name: 'Firefox',
    saysWhyAborted: true,
    async newProfile() {
      const context = await browser.createBrowserContext();
      const pages = new Set<Page>();
      return {
        async newPage() {
          // Of two tabs in one window the first is hidden, and its timers are slow.
          const page = await context.newPage({ type: 'window' });
          pages.add(page);
          const close = async (): Promise<void> => {
            pages.delete(page);
            await page.close();
          };
          return { ...tabOf(page), close };
        },
        async setOffline(offline) {
          for (const page of pages) await page.setOfflineMode(offline);
        },
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

function tabOf(page: Page): Omit<Tab, 'close'> {
  return {
    evaluate: ((work: (given: unknown) => unknown, given: unknown) =>
      page.evaluate(work, given)) as Tab['evaluate'],
    waitForFunction: (holds) => page.waitForFunction(holds, { polling: 20, timeout: MOST_MS }),
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
  };
}
