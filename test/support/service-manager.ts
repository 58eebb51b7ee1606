import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithUs } from './end-with-us.js';

const PLAYER = fileURLToPath(new URL('play-service-manager.py', import.meta.url));

export interface Told {
  /** The assignments of a message. */
  readonly said: Readonly<Record<string, string>>;
  /** When it came, on CLOCK_MONOTONIC. */
  readonly at_us: number;
  /** Who sent it. */
  readonly pid: number;
}

export interface PlayedManager {
  /** For NOTIFY_SOCKET. */
  readonly socket: string;
  /** All that was told so far, in its order. */
  readonly told: readonly Told[];
  /** Waits for a message, from the one with this number on, and returns its number. */
  until(is: (said: Told['said']) => boolean, from?: number): Promise<number>;
  stop(): void;
}

/** Only bounds one that hangs. */
const PATIENCE_MS = 30_000;

/** Plays the service manager that started a server, with a real datagram socket. */
export async function playServiceManager(): Promise<PlayedManager> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-notify-'));
  const socket = join(directory, 'notify');
  const player = endWithUs(
    spawn('/usr/bin/python3', [PLAYER, socket], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const told: Told[] = [];
  let heard = (): void => undefined;
  createInterface({ input: player.stdout }).on('line', (line) => {
    told.push(JSON.parse(line) as Told);
    heard();
  });
  const until: PlayedManager['until'] = (is, from = 0) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`it was not told: ${JSON.stringify(told)}`)),
        PATIENCE_MS,
      );
      heard = () => {
        const at = told.findIndex(({ said }, number) => number >= from && is(said));
        if (at < 0) return;
        clearTimeout(timer);
        resolve(at);
      };
      heard();
    });
  // The first line: the socket is there.
  await until(() => true);
  return {
    socket,
    told,
    until,
    stop() {
      player.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
