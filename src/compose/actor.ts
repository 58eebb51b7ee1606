import { hostname, userInfo } from 'node:os';

/** Who runs a command, as the audit names him. */
export function commandActor(): string {
  return `command: ${userName()}@${hostname()}`;
}

/** A container's user may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
