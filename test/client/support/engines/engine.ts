import type { Page } from 'playwright-core';

/** What the tests need of a page: a part of Playwright's, which the drivers of the other engines have as well. */
export interface Tab {
  evaluate: Page['evaluate'];
  /** A function without arguments. */
  waitForFunction(holds: () => unknown): Promise<unknown>;
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  close(): Promise<void>;
}

/** A user's browser, with cookies and storage of its own. */
export interface Profile {
  newPage(): Promise<Tab>;
  /** A name of this machine's that is this profile's only: where all profiles share their cookies and storage. */
  readonly host?: string;
  /** Absent where the engine can't be told: there the site's connections are dropped instead. */
  setOffline?(offline: boolean): Promise<void>;
  close(): Promise<void>;
}

export type EngineName = 'Chromium' | 'Firefox' | 'WebKit';

/** A running browser. */
export interface Engine {
  readonly name: EngineName;
  /** Whether a body that a signal cuts off ends with the signal's reason, and not with an AbortError of the browser's own. */
  readonly saysWhyAborted: boolean;
  newProfile(): Promise<Profile>;
  /** Stops a tab in the middle of what it does, until the function that is returned is called; absent: a request that blocks it. */
  freeze?(tab: Tab): Promise<() => Promise<void>>;
  /** Kills the service workers of a tab's origin at once. */
  killWorkers?(tab: Tab): Promise<void>;
  close(): Promise<void>;
}
