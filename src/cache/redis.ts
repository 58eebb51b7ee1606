import { randomUUID } from 'node:crypto';
import type { Begun, Hint, Learned, TokenCache, TokenKey } from '../rotation/ports.js';
import { Circuit } from './circuit.js';
import { keyOf, partitionOf } from './partition.js';
import type { ScriptClient } from './redis-client.js';

export interface RedisCacheOptions {
  readonly client: ScriptClient;
  /** This process's own: asked first, and alone while Redis doesn't answer. */
  readonly local: TokenCache;
  /** How long a request may take: a lock whose owner died lasts no longer (rule 12). */
  readonly requestTimeoutMs: number;
  readonly refreshLifetimeMs: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** Redis stopped answering, or answers again. */
  readonly onChange: (state: 'down' | 'up') => void;
}

/** A spent token comes back soon or hardly ever; without the hint it costs one claim that loses. */
const SPENT_LIFE_MS = 600_000;

/** A client repeats a 503 within seconds; one that gave up for so long has logged in again. */
const DOUBT_LIFE_MS = 600_000;

/** How often a lock that another instance holds is looked at. A refresh takes some milliseconds. */
const POLL_MS = 20;

/** Row ids that are sure to fit a bigint: one that doesn't would fail the whole statement it is sent in. */
const ACTIVE = /^a(\d{1,18})$/;
const TIME_US = /^\d{1,16}$/;

/**
 * What all instances know of tokens, the in-flight lock among them, and the claims in doubt, in Redis.
 *
 * As with the memory cache all of it is hints (rule 6). Lost, evicted, flushed or wrong entries cost a statement; a
 * lost lock lets two requests ask the database, which decides; a Redis that doesn't answer is gone on without.
 */
export class RedisCache implements TokenCache {
  readonly #options: RedisCacheOptions;
  readonly #circuit: Circuit;
  /** The owner's name in each lock that this process asked for, by token id. */
  readonly #owners = new Map<string, string>();
  readonly #process = randomUUID();
  #requests = 0;
  #everAnswered = false;

  constructor(options: RedisCacheOptions) {
    this.#options = options;
    this.#circuit = new Circuit(options.monotonicMs, options.random);
  }

  async begin(token: TokenKey): Promise<Begun> {
    const { client, local, requestTimeoutMs } = this.#options;
    const mine = await local.begin(token);
    if (mine.kind === 'busy') return mine;
    const partition = partitionOf(token.userKey);
    const owner = `${this.#process}:${this.#requests++}`;
    const lock = keyOf(partition, 'lock', token.jti);
    // Remembered before it is asked for: a script whose client timed out may still run, and is then given back.
    const reply = await this.#ask(() => {
      this.#owners.set(token.jti, owner);
      const keys = [lock, keyOf(partition, 'token', token.jti), keyOf(partition, 'doubt', token.jti)];
      return client.begin(...keys, owner, String(requestTimeoutMs));
    });
    if (!Array.isArray(reply)) return mine;
    if (reply[0] !== 1) {
      this.#owners.delete(token.jti);
      local.finish(token, undefined);
      return { kind: 'busy', settled: this.#released(lock) };
    }
    return { kind: 'begun', hint: readHint(reply[1]) ?? mine.hint, doubtAtUs: readTime(reply[2]) };
  }

  finish(token: TokenKey, learned: Learned | undefined): void {
    const { client, local, refreshLifetimeMs } = this.#options;
    local.finish(token, learned);
    const owner = this.#owners.get(token.jti) ?? '';
    this.#owners.delete(token.jti);
    if (owner === '' && learned === undefined) return;
    const partition = partitionOf(token.userKey);
    const successor = learned?.successor;
    void this.#ask(() =>
      client.finish(
        keyOf(partition, 'lock', token.jti),
        keyOf(partition, 'token', token.jti),
        keyOf(partition, 'doubt', token.jti),
        keyOf(partition, 'token', successor?.jti ?? token.jti),
        owner,
        learned === undefined ? '0' : '1',
        String(SPENT_LIFE_MS),
        successor?.rowId ?? '',
        String(refreshLifetimeMs),
      ),
    );
  }

  async noteDoubt(token: TokenKey, claimedAtUs: number): Promise<void> {
    const key = keyOf(partitionOf(token.userKey), 'doubt', token.jti);
    await this.#ask(() => this.#options.client.setFor(key, String(claimedAtUs), DOUBT_LIFE_MS));
  }

  /** Asks Redis whether it is there; while it is known not to be, it isn't asked. */
  async check(): Promise<'ok' | 'unreachable'> {
    const reply = await this.#ask(() => this.#options.client.exists(keyOf(0, 'lock', 'check')));
    return reply === undefined ? 'unreachable' : 'ok';
  }

  noteSpent(tokens: readonly TokenKey[]): void {
    this.#options.local.noteSpent(tokens);
    for (const { jti, userKey } of tokens) {
      const key = keyOf(partitionOf(userKey), 'token', jti);
      void this.#ask(() => this.#options.client.setFor(key, 's', SPENT_LIFE_MS));
    }
  }

  /** Redis' own hints stay: each is as wrong or right as before, and costs a claim that loses where it's wrong. */
  forgetActive(): void {
    this.#options.local.forgetActive();
  }

  /** Resolves when the lock is free; at the latest in half the time a request has, so that it can still be answered. */
  async #released(lock: string): Promise<void> {
    const { client, monotonicMs, requestTimeoutMs, random } = this.#options;
    const giveUpMs = monotonicMs() + requestTimeoutMs / 2;
    while (monotonicMs() < giveUpMs) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS * (0.5 + random())));
      if ((await this.#ask(() => client.exists(lock))) !== 1) return;
    }
  }

  /** The reply, or undefined where Redis doesn't give one: whatever it fails with, we go on without it. */
  async #ask(send: () => Promise<unknown>): Promise<unknown> {
    if (!this.#circuit.admit()) return undefined;
    try {
      const reply = await send();
      const wasDown = this.#circuit.succeeded();
      if (wasDown || !this.#everAnswered) this.#options.onChange('up');
      this.#everAnswered = true;
      return reply;
    } catch {
      if (this.#circuit.failed()) this.#options.onChange('down');
      return undefined;
    }
  }
}

function readHint(value: unknown): Hint | undefined {
  if (value === 's') return { state: 'spent' };
  const rowId = typeof value === 'string' ? ACTIVE.exec(value)?.[1] : undefined;
  return rowId === undefined ? undefined : { state: 'active', rowId };
}

function readTime(value: unknown): number | undefined {
  return typeof value === 'string' && TIME_US.test(value) ? Number(value) : undefined;
}
