import type { Engine, Tab } from './engine.js';
import { startSession, type Command } from './webdriver.js';

/** A bound against hanging. */
const MOST_MS = 60_000;
const LOOK_MS = 15;

/** WebKitGTK's browser by WebDriver: the engine of Safari. */
export async function startWebKit(miniBrowser: string): Promise<Engine> {
  const session = await startSession('WebKitWebDriver', {
    acceptInsecureCerts: true,
    'webkitgtk:browserOptions': { binary: miniBrowser, args: ['--automation'] },
  });
  const { command } = session;
  let profiles = 0;
  let current: string | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** A command to one window: WebDriver speaks to the one that was chosen last, so two steps are one turn. */
  function inWindow(handle: string): Command {
    return (...what) => {
      const turn = last.then(async () => {
        if (current !== handle) await command('POST', '/window', { handle });
        current = handle;
        return command(...what);
      });
      last = turn.catch(() => undefined);
      return turn as Promise<never>;
    };
  }

  // The first one stays: without any a session ends, and from one that is closed none can be opened.
  const base = inWindow(await command<string>('GET', '/window'));
  return {
    name: 'WebKit',
    saysWhyAborted: false,
    newProfile: () => {
      const tabs = new Set<Tab>();
      return Promise.resolve({
        host: `p${(profiles += 1)}.localhost`,
        async newPage() {
          const { handle } = await base<{ handle: string }>('POST', '/window/new', { type: 'window' });
          const tab = tabOf(inWindow(handle));
          tabs.add(tab);
          return {
            ...tab,
            async close() {
              if (tabs.delete(tab)) await tab.close();
            },
          };
        },
        async close() {
          for (const tab of tabs) await tab.close();
          tabs.clear();
        },
      });
    },
    close: () => session.close(),
  };
}

function tabOf(command: Command): Tab {
  const script = <T>(text: string, ...args: unknown[]): Promise<T> =>
    command('POST', '/execute/sync', { script: text, args });

  /** Begun in the page and looked after from here: while a script runs WebDriver takes no other command of a window. */
  async function evaluate(work: unknown, given: unknown): Promise<unknown> {
    const id = `call${Math.random()}`;
    await script(
      `const [id, given] = arguments;
       const call = (window[id] = { over: false });
       (async () => (${String(work)})(given))().then(
         (value) => Object.assign(call, { over: true, value: JSON.stringify(value) }),
         (error) => Object.assign(call, { over: true, error: String(error) + error?.stack }));`,
      id,
      given ?? null,
    );
    for (const from = Date.now(); Date.now() - from < MOST_MS;) {
      const call = await script<{ over: boolean; value?: string; error?: string } | null>(
        'const [id] = arguments; return window[id]?.over ? window[id] : window[id] && { over: false };',
        id,
      );
      if (!call) throw new Error('the page that it was begun in is gone');
      if (call.error) throw new Error(call.error);
      if (call.over) return call.value == null ? undefined : JSON.parse(call.value);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new Error(`no answer of ${String(work)}`);
  }

  return {
    evaluate: evaluate as Tab['evaluate'],
    async waitForFunction(holds) {
      for (const from = Date.now(); Date.now() - from < MOST_MS;) {
        // In between two pages there is none to ask.
        if (await script(`return Boolean((${String(holds)})())`).catch(() => false)) return;
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
      throw new Error(`it never holds: ${String(holds)}`);
    },
    goto: (url) => command('POST', '/url', { url }),
    reload: () => command('POST', '/refresh', {}),
    close: () => command('DELETE', '/window'),
  };
}
