import { chmod, link, lstat, unlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** For the owner and its group: the reverse proxy is in that. */
const MODE = 0o660;

/** Each try needs another process that comes between, or one that was killed while it cleared the place. */
const MAX_TRIES = 100;
const GIVE_UP_WAITING = 50;
const BETWEEN_TRIES_MS = 10;

/**
 * A unix socket's place in the file system. The server binds a name of its own beside it, and that is moved to the place with
 * `link`, which never takes the place of anything: so a socket that somebody listens on is never lost, and nobody
 * finds it before its mode is set.
 */
export class SocketPlace {
  readonly path: string;
  /** What to listen on, before `publish`. The processes that share a socket share it, too. */
  readonly bound: string;
  #publishing: Promise<void> = Promise.resolve();
  #removed = false;
  /** The number of a file is given anew when it is gone: so it is known by its time, too. */
  #ours: { readonly dev: number; readonly ino: number; readonly mtimeMs: number } | undefined;

  /** @param owner the process whose socket it is; in another container it may have the same number, and another host name */
  constructor(path: string, owner: number, host: string = hostname()) {
    this.path = path;
    const machine = createHash('sha256').update(host).digest('hex').slice(0, 4);
    this.bound = `${path}.${owner}-${machine}`;
  }

  /** To be called before anything listens. @throws an error with the code EADDRINUSE, ENOTSOCK, or the system's */
  async check(): Promise<void> {
    const left = await lstat(this.bound).catch(ifThere);
    if (left?.isSocket() === true) await unlink(this.bound).catch(ifThere);
    await this.#refuseUnlessFree(this.path);
  }

  /** Puts what listens on `bound` to its place; nothing where that has been done. @throws as `check` */
  publish(): Promise<void> {
    // Each worker that listens says so: the first one's socket must not be met by the second.
    this.#publishing = this.#publishing.catch(() => undefined).then(() => this.#publish());
    return this.#publishing;
  }

  async #publish(): Promise<void> {
    const made = await lstat(this.bound).catch(ifThere);
    if (this.#removed) return;
    if (made === undefined) {
      // Another worker's has been placed. Else somebody took it away, and what is said to listen would listen nowhere.
      if (this.#ours !== undefined) return;
      throw coded('ENOENT');
    }
    await chmod(this.bound, MODE);
    await this.#place();
    this.#ours = made;
    await unlink(this.bound);
  }

  /** Takes it away for good, if it is still what was published. A worker that listens only now is not published any more. */
  remove(): Promise<void> {
    this.#removed = true;
    this.#publishing = this.#publishing.catch(() => undefined).then(() => this.#remove());
    return this.#publishing;
  }

  async #remove(): Promise<void> {
    const there = await lstat(this.path).catch(ifThere);
    const ours = this.#ours;
    if (there === undefined || ours === undefined) return;
    if (there.ino === ours.ino && there.dev === ours.dev && there.mtimeMs === ours.mtimeMs)
      await unlink(this.path).catch(ifThere);
  }

  async #place(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await link(this.bound, this.path);
        return;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || tries === MAX_TRIES) throw error;
      }
      await this.#refuseUnlessFree(this.path);
      if (tries === GIVE_UP_WAITING) await unlink(this.#claim).catch(ifThere);
      if (!(await this.#clearDead())) await sleep(BETWEEN_TRIES_MS);
    }
  }

  /**
   * Takes a dead socket away. By the time this is done another process may have put a living one in its place: so what is
   * there is claimed first, by a second name that only one process at a time can make. Nobody else takes away what that
   * names, and if it is dead it stays so. Returns false while another process is at it.
   */
  async #clearDead(): Promise<boolean> {
    try {
      await link(this.path, this.#claim);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      ifThere(error);
      return true;
    }
    try {
      await this.#refuseUnlessFree(this.#claim);
      await unlink(this.path);
      return true;
    } finally {
      await unlink(this.#claim).catch(ifThere);
    }
  }

  get #claim(): string {
    return `${this.path}.dead`;
  }

  async #refuseUnlessFree(path: string): Promise<void> {
    const there = await lstat(path).catch(ifThere);
    if (there === undefined) return;
    if (!there.isSocket()) throw coded('ENOTSOCK');
    if (await isAlive(path)) throw coded('EADDRINUSE');
  }
}

/** Only a socket that surely nobody listens on is dead: one that may not be connected to, or whose queue is full, is not. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = codeOf(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Undefined where there is no such file. */
function ifThere(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}
