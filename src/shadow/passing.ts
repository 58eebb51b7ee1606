import type { ServerResponse } from 'node:http';
import { endToEnd } from './hop-by-hop.js';

/** What Django answered, as far as it was kept to be judged. */
export interface Answered {
  readonly status: number;
  /** As they came, names and values in turn. */
  readonly headers: readonly string[];
  /** Undefined: it was too long to be kept. */
  readonly body: Buffer | undefined;
}

/** More than this is no answer of a token endpoint. */
const MOST_KEPT_BYTES = 64 * 1024;

export interface PassingOptions {
  readonly response: ServerResponse;
  /** Its body is kept, to be judged. */
  readonly keeps: boolean;
  /** The answer has left, whole. */
  readonly onAnswered: (answered: Answered) => void;
  /** Django gave no answer, or not all of it. `begun`: its head has been passed on. */
  readonly onFailed: (error: Error, begun: boolean) => void;
}

/**
 * Passes Django's answer on while it comes, byte for byte: a handler of undici's lowest interface, which alone has headers as
 * they came.
 */
export class Passing {
  readonly #options: PassingOptions;
  #abort: (error?: Error) => void = () => undefined;
  #resume: () => void = () => undefined;
  #status = 0;
  #headers: readonly string[] = [];
  #kept: Buffer[] | undefined;
  #size = 0;
  #ended = false;

  constructor(options: PassingOptions) {
    this.#options = options;
    this.#kept = options.keeps ? [] : undefined;
    options.response.once('close', this.#onClosed);
  }

  /** The client is gone: nobody waits for what Django still has to say. */
  readonly #onClosed = (): void => {
    if (!this.#ended) this.#abort(new Error(CLIENT_GONE));
  };

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    if (this.#options.response.destroyed) abort(new Error(CLIENT_GONE));
  }

  onHeaders(status: number, raw: readonly Buffer[], resume: () => void, text: string): boolean {
    // Hints that come before the answer.
    if (status < 200) return true;
    const { response } = this.#options;
    this.#resume = resume;
    this.#status = status;
    this.#headers = endToEnd(raw.map((part) => part.toString('latin1')));
    // What Django's server doesn't say isn't said here.
    response.sendDate = false;
    response.writeHead(status, text, this.#headers as string[]);
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.#keep(chunk);
    const { response } = this.#options;
    if (response.write(chunk)) return true;
    response.once('drain', () => this.#resume());
    return false;
  }

  onComplete(): void {
    this.#ended = true;
    const { response, onAnswered } = this.#options;
    response.end();
    onAnswered({
      status: this.#status,
      headers: this.#headers,
      body: this.#kept && Buffer.concat(this.#kept),
    });
  }

  onError(error: Error): void {
    this.#ended = true;
    const { response, onFailed } = this.#options;
    const begun = response.headersSent;
    // A client must not take half an answer for a whole one.
    if (begun) response.destroy();
    onFailed(error, begun);
  }

  #keep(chunk: Buffer): void {
    if (this.#kept === undefined) return;
    this.#size += chunk.length;
    if (this.#size > MOST_KEPT_BYTES) this.#kept = undefined;
    else this.#kept.push(chunk);
  }
}

export const CLIENT_GONE = 'the client closed its connection';
