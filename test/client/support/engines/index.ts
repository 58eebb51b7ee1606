import { services, type Services } from '../../../support/services.js';
import { startChromium } from './chromium.js';
import type { Engine, EngineName } from './engine.js';
import { startFirefox } from './firefox.js';
import { startWebKit } from './webkit.js';

interface EngineKind {
  readonly service: keyof Services;
  start(): Promise<Engine>;
  /** It takes the cookie of the cookie mode by https only, also from this machine. */
  readonly needsHttps: boolean;
}

export const ENGINES: Readonly<Record<EngineName, EngineKind>> = {
  Chromium: { service: 'chromium', start: () => startChromium(services().chromium!), needsHttps: false },
  Firefox: { service: 'firefox', start: () => startFirefox(services().firefox!), needsHttps: false },
  WebKit: { service: 'webkit', start: () => startWebKit(services().webkit!), needsHttps: true },
};
