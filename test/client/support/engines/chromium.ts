import { chromium, type Browser, type CDPSession, type Page } from 'playwright-core';
import type { Engine, Tab } from './engine.js';

/** With its back-forward cache, which Playwright switches off. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
}

export async function startChromium(executablePath: string): Promise<Engine> {
  const browser = await launchChromium(executablePath);
  // Its tabs are Playwright's pages themselves.
  const devtools = (tab: Tab): Promise<CDPSession> => {
    const page = tab as Page;
    return page.context().newCDPSession(page);
  };
  return {
    name: 'Chromium',
    saysWhyAborted: true,
    newProfile: () => browser.newContext(),
    async freeze(tab) {
      const cdp = await devtools(tab);
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
      return async () => {
        await cdp.send('Page.setWebLifecycleState', { state: 'active' });
        await cdp.detach();
      };
    },
    async killWorkers(tab) {
      const cdp = await devtools(tab);
      await cdp.send('ServiceWorker.enable');
      await cdp.send('ServiceWorker.stopAllWorkers');
      await cdp.detach();
    },
    close: () => browser.close(),
  };
}
