import type { Environment } from './resolve.js';

/** A service manager that wants to be told how its service is: systemd, or who speaks its protocol. */
export interface ServiceManagerOptions {
  /** Undefined: it doesn't watch. */
  readonly watchdogMs: number | undefined;
}

/**
 * What systemd says in the environment of a service: see sd_notify(3) and sd_watchdog_enabled(3).
 *
 * @param pid of this process: the watchdog may be meant for another one that has the same environment
 * @returns undefined where nobody asks
 */
export function serviceManagerOptions(env: Environment, pid: number): ServiceManagerOptions | undefined {
  if ((env['NOTIFY_SOCKET'] ?? '') === '') return undefined;
  const watched = Number(env['WATCHDOG_PID'] ?? pid) === pid;
  const usec = Number(env['WATCHDOG_USEC'] ?? 0);
  return { watchdogMs: watched && Number.isFinite(usec) && usec > 0 ? usec / 1_000 : undefined };
}
