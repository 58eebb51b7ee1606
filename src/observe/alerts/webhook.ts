import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { Alert } from './alert.js';

export interface WebhookOptions {
  /** May hold a secret in its path: never told, not even when it fails. */
  readonly url: string;
  /** Which server speaks. */
  readonly source: string;
  readonly random: () => number;
  readonly onResult: (result: 'delivered' | 'failed' | 'dropped') => void;
}

/** A receiver that is slow, or away for a deployment, is waited for; one that is away for good is given up. */
const TIMEOUT_MS = 5_000;
const TRIES = 6;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

/** An alert a minute for an hour and more. What comes on top is dropped, and counted. */
const MAX_QUEUED = 100;

interface Message {
  readonly event: 'raised' | 'cleared';
  readonly alert: Alert;
}

/** Posts alerts, one after the other, in their order. Never rejects. */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #queue: Message[] = [];
  readonly #stopping = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  tell(event: Message['event'], alert: Alert): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#options.onResult('dropped');
      return;
    }
    this.#queue.push({ event, alert });
    this.#sending ??= this.#drain().finally(() => (this.#sending = undefined));
  }

  /** Gives up what is still to be sent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#sending;
  }

  async #drain(): Promise<void> {
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      if (this.#stopping.signal.aborted) return;
      this.#options.onResult((await this.#deliver(message)) ? 'delivered' : 'failed');
    }
  }

  async #deliver(message: Message): Promise<boolean> {
    const body = JSON.stringify(bodyOf(message, this.#options.source));
    for (let tries = 1; ; tries++) {
      if (await this.#post(body)) return true;
      if (tries === TRIES || this.#stopping.signal.aborted) return false;
      const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
      await this.#pause(pauseMs * (0.5 + this.#options.random() / 2));
    }
  }

  async #post(body: string): Promise<boolean> {
    try {
      const { statusCode, body: answer } = await request(this.#options.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'carelink-tokens' },
        body,
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(2 * TIMEOUT_MS)]),
      });
      await answer.dump();
      return statusCode >= 200 && statusCode < 300;
    } catch {
      return false;
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** `text` is what Slack, Mattermost and the like show. */
function bodyOf({ event, alert }: Message, source: string): object {
  const { code, severity, title, subject, detail, action, sinceMs } = alert;
  const text =
    event === 'raised'
      ? `[${severity}] ${code}: ${title}: ${detail}. ${action}`
      : `[cleared] ${code}: ${title}`;
  return {
    event, code, severity, title, subject, detail, action, since: new Date(sinceMs).toISOString(), source,
    text: `${source} ${text}`,
  }; // prettier-ignore
}
