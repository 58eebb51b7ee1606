import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { endWithUs } from '../../../support/end-with-us.js';
import { freePort } from '../../../support/free-port.js';

/** A bound against hanging. */
const MOST_MS = 60_000;

/** Calls one command of a session: https://www.w3.org/TR/webdriver2/#endpoints. */
export type Command = <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<T>;

export interface Session {
  readonly command: Command;
  close(): Promise<void>;
}

/** A browser behind a WebDriver, on a screen of its own. */
export async function startSession(driver: string, capabilities: object): Promise<Session> {
  const screen = endWithUs(
    spawn('Xvfb', ['-displayfd', '3', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] }),
  );
  const [display] = (await once(screen.stdio[3]!, 'data')) as [Buffer];
  const port = await freePort();
  const env = { ...process.env, DISPLAY: `:${String(display).trim()}` };
  const child = endWithUs(spawn(driver, [`--port=${port}`], { env, stdio: 'ignore' }));
  const exits = [once(screen, 'exit'), once(child, 'exit')];

  async function ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(MOST_MS),
    });
    const { value } = (await response.json()) as { value: T };
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(value)}`);
    return value;
  }

  async function stop(): Promise<void> {
    child.kill();
    // A browser whose screen is gone ends, too.
    screen.kill();
    await Promise.all(exits);
  }

  try {
    await listening(ask);
    const { sessionId } = await ask<{ sessionId: string }>('POST', '/session', {
      capabilities: { alwaysMatch: capabilities },
    });
    const command: Command = (method, path, body) => ask(method, `/session/${sessionId}${path}`, body);
    return {
      command,
      async close() {
        await command('DELETE', '').catch(() => undefined);
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function listening(ask: (method: string, path: string) => Promise<unknown>): Promise<void> {
  for (const from = Date.now(); ;) {
    try {
      await ask('GET', '/status');
      return;
    } catch (error) {
      if (Date.now() - from > MOST_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
