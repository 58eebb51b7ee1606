import type { DestinationStream } from 'pino';

/** Shown by their place in the line, or of no use to whoever sits before the process. */
const OWN_PLACE = new Set(['level', 'time', 'pid', 'event', 'cause', 'error_stack']);

/**
 * A log for a terminal, where people read: `12:00:01 warn   chain_key_follows_signing_key: CARELINK_CHAIN_KEY ...`, in
 * place of the JSON that collectors want.
 */
export function readableLines(destination: DestinationStream): DestinationStream {
  // The lines of the access log come several at once.
  return { write: (lines) => destination.write(lines.trimEnd().split('\n').map(readable).join('')) };
}

function readable(line: string): string {
  const fields = JSON.parse(line) as Record<string, string | number>;
  const { level = '', time = '', event = '', cause } = fields;
  const more = Object.entries(fields)
    .filter(([name]) => !OWN_PLACE.has(name))
    .map(([name, value]) => ` ${name}=${value}`);
  const clock = new Date(time).toTimeString().slice(0, 8);
  const said = cause === undefined ? '' : `: ${cause}`;
  return `${clock} ${String(level).padEnd(5)} ${event}${more.join('')}${said}\n`;
}
