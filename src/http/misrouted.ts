import type { Log } from '../observe/log.js';

/** What a token endpoint's path ends with, whatever it begins with. */
const ENDPOINT = /\/(?:refresh|verify|blacklist)\/?$/;

const TELL_EVERY_MS = 10 * 60_000;

/**
 * POSTs to an endpoint's name at another path than --base-path has: a proxy that rewrites, or was set to another path.
 * Else every client gets a plain 404, and the log says nothing. Paths are a client's text, and are not logged.
 */
export class Misrouted {
  readonly #log: Log;
  readonly #basePath: string;
  #count = 0;
  #toldAtMs = -Infinity;

  constructor(basePath: string, log: Log) {
    this.#basePath = basePath;
    this.#log = log;
  }

  note(method: string, path: string): void {
    if (method !== 'POST' || !ENDPOINT.test(path)) return;
    this.#count++;
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#log.warn('path_not_served', {
      count: this.#count,
      cause:
        `POSTs to .../refresh/, .../verify/ or .../blacklist/ come in at another path than ${this.#basePath}/, and get 404: ` +
        'let the reverse proxy pass the path on unchanged, or set --base-path to what it sends',
    });
    this.#count = 0;
  }
}
