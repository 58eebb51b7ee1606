import { connect, type Socket } from 'node:net';

/** Who holds a data directory. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** `alive` without `who`: somebody listens, but doesn't say who it is. */
export interface Answer {
  readonly alive: boolean;
  readonly who: Holder | undefined;
}

/** A live holder answers within milliseconds, unless it is stopped or busy: then it is alive all the same. */
const TIMEOUT_MS = 1_000;
const MAX_ANSWER = 4_096;

/** Tells whoever connects who we are. */
export function answerWith(self: Holder): (socket: Socket) => void {
  const answer = JSON.stringify(self);
  return (socket) => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.unref().end(answer);
    // Read, so that the other side's end is noticed.
    socket.resume();
  };
}

/** Asks the socket or pipe of that name who is there. Never throws. */
export function askHolder(name: string): Promise<Answer> {
  return new Promise((resolve) => {
    let text = '';
    let alive = false;
    const socket = connect(name);
    const end = (): void => {
      socket.destroy();
      resolve({ alive, who: alive ? readHolder(text) : undefined });
    };
    socket.setEncoding('utf8').setTimeout(TIMEOUT_MS, end);
    socket.on('connect', () => (alive = true));
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > MAX_ANSWER) end();
    });
    socket.on('end', end);
    socket.on('error', (error) => {
      // Its queue of connections is full: there is somebody.
      if ('code' in error && error.code === 'EAGAIN') alive = true;
      end();
    });
  });
}

function readHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Record<keyof Holder, unknown>> | null;
    const { pid, command, startedAt } = value ?? {};
    // On Linux any user can listen on an abstract name: what it says is checked before it is printed.
    if (typeof pid !== 'number' || typeof command !== 'string' || typeof startedAt !== 'string')
      return undefined;
    return /^[\w -]{1,40}$/.test(command) && /^[\w:.-]{1,40}$/.test(startedAt)
      ? { pid, command, startedAt }
      : undefined;
  } catch {
    return undefined;
  }
}
