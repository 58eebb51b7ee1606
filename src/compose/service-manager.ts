/**
 * Tells systemd how the server is: sd_notify(3). Node can't send to a unix datagram socket, so `systemd-notify` does. It is
 * not started from here each time: a fork copies the page tables of this process, which held up all refreshes for 64 ms at
 * 366 MB. A small shell is started once, and each message is a line for it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ServiceManagerOptions } from '../config/service-manager.js';
import type { Log } from '../observe/log.js';

/**
 * Reads a message a line, its assignments separated by tabs, and answers each with how it ended. It ignores what is sent to
 * all processes of a service, and ends when its input does: whatever is left to tell is told. A server that has ended reads no
 * answer any more: that must not end the shell (SIGPIPE) before it has told of the stop.
 */
const TELLER = `trap '' TERM INT HUP PIPE
IFS='\t'
set -f
while read -r message; do
  systemd-notify $message >/dev/null 2>&1
  echo $?
done`;

/** Messages that have no answer yet. Beyond it the manager is stuck, and a watchdog's ping would only be late. */
const MOST_WAITING = 8;

/** sh's number for a program that is not there. */
const NOT_FOUND = '127';

export interface ManagerSurroundings {
  readonly log: Log;
  /** CLOCK_MONOTONIC, which systemd compares a reload's beginning with. */
  readonly monotonicUs: () => bigint;
}

export class ServiceManager {
  readonly #watchdogMs: number | undefined;
  readonly #surroundings: ManagerSurroundings;
  #teller: ChildProcess | undefined;
  #waiting = 0;
  #toldFailure = false;
  #status = '';
  #reloads: Promise<void> = Promise.resolve();

  constructor({ watchdogMs }: ServiceManagerOptions, surroundings: ManagerSurroundings) {
    this.#watchdogMs = watchdogMs;
    this.#surroundings = surroundings;
    // Before there is a heap to copy.
    this.#start();
    this.#tell('STATUS=starting');
  }

  /** It serves. From now on the watchdog is fed, as long as this process gets round to it. */
  ready(status: string): void {
    this.#status = status;
    this.#tell('READY=1', `STATUS=${status}`);
    if (this.#watchdogMs === undefined) return;
    // Half of it, as sd_watchdog_enabled(3) advises.
    setInterval(() => {
      if (this.#waiting < MOST_WAITING) this.#tell('WATCHDOG=1');
    }, this.#watchdogMs / 2).unref();
  }

  /** Tells when a reload begins and when it is over; one after the other, for systemd takes any end as that of its own. */
  reload(work: () => Promise<void>): Promise<void> {
    this.#reloads = this.#reloads.then(async () => {
      const { monotonicUs } = this.#surroundings;
      this.#tell(
        'RELOADING=1',
        `MONOTONIC_USEC=${monotonicUs()}`,
        'STATUS=reading keys and certificates again',
      );
      await work();
      this.#tell('READY=1', `STATUS=${this.#status}`);
    });
    return this.#reloads;
  }

  /** A stop has begun. The watchdog is fed on: a drain may take long. */
  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=stopping');
  }

  #tell(...assignments: readonly string[]): void {
    if (this.#teller === undefined) this.#start();
    this.#waiting++;
    this.#teller?.stdin?.write(`${assignments.join('\t')}\n`);
  }

  /** What is started has no hold on this process: it ends when there is nothing else to do. */
  #start(): void {
    const teller = spawn('/bin/sh', ['-c', TELLER], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#teller = teller;
    this.#waiting = 0;
    const { stdin, stdout } = teller;
    const gone = (): void => {
      if (this.#teller === teller) this.#teller = undefined;
    };
    teller.on('error', gone).on('exit', gone).unref();
    stdin.on('error', gone);
    createInterface({ input: stdout }).on('line', (status) => {
      this.#answered(status);
    });
    for (const pipe of [stdin, stdout]) if ('unref' in pipe) (pipe as { unref(): void }).unref();
  }

  #answered(status: string): void {
    this.#waiting--;
    if (status === '0' || this.#toldFailure) return;
    // Once: what fails for one message fails for all.
    this.#toldFailure = true;
    const cause =
      status === NOT_FOUND
        ? 'NOTIFY_SOCKET is set, but there is no program systemd-notify to answer with: the service manager waits for READY=1 in vain. Use Type=exec, or install systemd'
        : `systemd-notify ended with ${status}: the service manager does not learn how this server is`;
    this.#surroundings.log.warn('service_manager_not_told', { cause });
  }
}
