import { randomUUID } from 'node:crypto';
import type { Begun, Claim, Claimed, Learned, TokenCache, TokenKey } from '../rotation/ports.js';
import type { Circuit } from './circuit.js';
import { encodeClaim } from './claim-entry.js';
import type { MemoryCache } from './memory.js';
import { partitionOf, type RedisKeys } from './partition.js';
import type { ScriptClient } from './redis-client.js';
import type { RedisClock } from './redis-clock.js';
import { Untold } from './untold.js';
import { readHint, readTime, SPENT } from './values.js';

export interface RedisCacheOptions {
  readonly client: ScriptClient;
  readonly keys: RedisKeys;
  /** How long its client waits for an answer. */
  readonly commandTimeoutMs: number;
  /** Shared with whoever else asks this Redis. */
  readonly circuit: Circuit;
  readonly clock: RedisClock;
  /** This process's own: asked first, and alone while Redis doesn't answer. */
  readonly local: MemoryCache;
  /** Undefined: no claims are taken here. */
  readonly desk: ClaimDesk | undefined;
  /** How long a request may take: a lock whose owner died lasts no longer (rule 12). */
  readonly requestTimeoutMs: number;
  readonly refreshLifetimeMs: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** Redis stopped answering, or answers again. */
  readonly onChange: (state: 'down' | 'up') => void;
}

/** Who decides whether claims are taken, and to whom they're handed. */
export interface ClaimDesk {
  /** Undefined: no claims now. Else: tokens that were made after it (us) are believed to be active. */
  trustedSinceUs(): number | undefined;
  hasRoom(): boolean;
  /** A claim was taken: it is to be written. `entryId`: of the partition's outbox; '' where it isn't known. */
  owe(claim: Claim, partition: number, entryId: string): void;
  /** What this process claimed of the token, if it isn't written yet. */
  owed(jti: string): Claimed | undefined;
}

/** A spent token comes back soon or hardly ever; without the hint it costs one claim that loses. */
export const SPENT_LIFE_MS = 600_000;

/** A client repeats a 503 within seconds; one that gave up for so long has logged in again. */
const DOUBT_LIFE_MS = 600_000;

/** How often a lock that another instance holds is looked at. A refresh takes some milliseconds. */
const POLL_MS = 20;

/** Until the next check, or a little longer: it is one key, whoever checks. */
const CHECK_LIFE_MS = 10_000;

const CLAIMED = 2;
const BEGUN = 1;

/**
 * What all instances know of tokens, the in-flight lock among them, and the claims in doubt, in Redis.
 *
 * As with the memory cache what it tells is hints (rule 6): lost, evicted, flushed or wrong entries cost a statement; a
 * lost lock lets two requests ask the database, which decides; a Redis that doesn't answer is gone on without. Only
 * where claims are taken (asynchronous blacklisting) is it more: see ClaimDesk and docs/architecture.md.
 */
export class RedisCache implements TokenCache {
  readonly #options: RedisCacheOptions;
  /** The owner's name in each lock that this process asked for, by token id. */
  readonly #owners = new Map<string, string>();
  readonly #untold = new Untold();
  readonly #process = randomUUID();
  #requests = 0;
  #everAnswered = false;

  constructor(options: RedisCacheOptions) {
    this.#options = options;
  }

  /** This process's name among those that write. */
  get consumer(): string {
    return this.#process;
  }

  get takesClaims(): boolean {
    return this.#options.desk?.trustedSinceUs() !== undefined;
  }

  async begin(token: TokenKey, offer?: Claim): Promise<Begun> {
    const { local, desk } = this.#options;
    const mine = local.begin(token);
    if (mine.kind === 'busy') return mine;
    const owed = desk?.owed(token.jti);
    if (owed !== undefined) return { ...mine, hint: { state: 'claimed', claimed: owed } };
    if (offer !== undefined && desk?.hasRoom() === false) {
      local.finish(token, undefined);
      return { kind: 'full' };
    }
    const partition = partitionOf(token.userKey);
    const owner = `${this.#process}:${this.#requests++}`;
    const trustedSinceUs = offer === undefined ? undefined : desk?.trustedSinceUs();
    let sent = false as boolean;
    const reply = await this.#timed(partition, (untilUs) => {
      sent = true;
      // Remembered before it is asked for: a script whose client timed out may still run, and is then given back.
      this.#owners.set(token.jti, owner);
      return offer !== undefined && trustedSinceUs !== undefined
        ? this.#claim(partition, offer, owner, untilUs, trustedSinceUs)
        : this.#begin(partition, token, owner);
    });
    if (reply === undefined) {
      return sent && trustedSinceUs !== undefined ? { ...mine, offerInDoubt: true } : mine;
    }
    if (reply[0] === CLAIMED && offer !== undefined) {
      this.#owners.delete(token.jti);
      desk?.owe(offer, partition, String(reply[2]));
      local.finish(token, { spent: token.jti, successor: undefined });
      return { kind: 'claimed' };
    }
    if (reply[0] !== BEGUN) {
      this.#owners.delete(token.jti);
      local.finish(token, undefined);
      return { kind: 'busy', settled: this.#released(this.#options.keys.of(partition, 'lock', token.jti)) };
    }
    return { kind: 'begun', hint: readHint(reply[2]) ?? mine.hint, doubtAtUs: readTime(reply[3]) };
  }

  async finish(token: TokenKey, learned: Learned | undefined): Promise<void> {
    const { client, keys, local, refreshLifetimeMs } = this.#options;
    local.finish(token, learned);
    const owner = this.#owners.get(token.jti) ?? '';
    this.#owners.delete(token.jti);
    if (owner === '' && learned === undefined) return;
    const partition = partitionOf(token.userKey);
    const successor = learned?.successor;
    const told = await this.#timed(partition, (untilUs) =>
      client.finish(
        keys.of(partition, 'lock', token.jti),
        keys.of(partition, 'token', token.jti),
        keys.of(partition, 'doubt', token.jti),
        keys.of(partition, 'token', successor?.jti ?? token.jti),
        owner,
        learned === undefined ? '0' : '1',
        SPENT_LIFE_MS,
        successor === undefined ? '' : `a${successor.rowId}:${successor.claimedAtUs}`,
        refreshLifetimeMs,
        untilUs,
      ),
    );
    if (told === undefined && learned !== undefined) this.#untold.add(token.jti, partition);
  }

  async noteDoubt(token: TokenKey, claimedAtUs: number): Promise<void> {
    const key = this.#options.keys.of(partitionOf(token.userKey), 'doubt', token.jti);
    await this.#ask(() => this.#options.client.setFor(key, String(claimedAtUs), DOUBT_LIFE_MS));
  }

  /** Asks Redis whether it is there and can be written to; while it is known not to be, it isn't asked. */
  async check(): Promise<'ok' | 'unreachable'> {
    const reply = await this.#ask(() =>
      this.#options.client.setFor(this.#options.keys.of(0, 'lock', 'check'), '', CHECK_LIFE_MS),
    );
    return reply === undefined ? 'unreachable' : 'ok';
  }

  async claimed({ jti, userKey }: TokenKey): Promise<Claimed | undefined> {
    const { client, desk } = this.#options;
    if (desk === undefined) return undefined;
    const owed = desk.owed(jti);
    if (owed !== undefined) return owed;
    const key = this.#options.keys.of(partitionOf(userKey), 'token', jti);
    const hint = readHint(await this.#ask(() => client.get(key), 'reads'));
    return hint?.state === 'claimed' ? hint.claimed : undefined;
  }

  noteSpent(tokens: readonly TokenKey[]): void {
    this.#options.local.noteSpent(tokens);
    for (const { jti, userKey } of tokens) this.#untold.add(jti, partitionOf(userKey));
    void this.tell();
  }

  /** Redis' own hints stay: where they are only hints each costs a claim that loses; else the desk trusts them no more. */
  forgetActive(): void {
    this.#options.local.forgetActive();
  }

  #begin(partition: number, { jti }: TokenKey, owner: string): Promise<unknown> {
    const keys = (['lock', 'token', 'doubt'] as const).map((what) =>
      this.#options.keys.of(partition, what, jti),
    );
    return this.#options.client.begin(...keys, owner, this.#options.requestTimeoutMs);
  }

  #claim(
    partition: number,
    offer: Claim,
    owner: string,
    untilUs: number,
    trustedSinceUs: number,
  ): Promise<unknown> {
    const { client, keys, requestTimeoutMs, refreshLifetimeMs } = this.#options;
    return client.claim(
      keys.of(partition, 'lock', offer.jti),
      keys.of(partition, 'token', offer.jti),
      keys.of(partition, 'doubt', offer.jti),
      keys.of(partition, 'token', offer.successor.jti),
      keys.outbox(partition),
      keys.userSince(partition, offer.userKey),
      owner,
      requestTimeoutMs,
      untilUs,
      trustedSinceUs,
      offer.claimedAtUs,
      encodeClaim(offer),
      this.#process,
      refreshLifetimeMs,
      refreshLifetimeMs,
      offer.successor.jti,
    );
  }

  /** Resolves when the lock is free; at the latest in half the time a request has, so that it can still be answered. */
  async #released(lock: string): Promise<void> {
    const { client, monotonicMs, requestTimeoutMs, random } = this.#options;
    const giveUpMs = monotonicMs() + requestTimeoutMs / 2;
    while (monotonicMs() < giveUpMs) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS * (0.5 + random())));
      if ((await this.#ask(() => client.exists(lock), 'reads')) !== 1) return;
    }
  }

  /** Tells Redis of tokens that were spent without it, so that nobody goes on believing them active; to be called now and then. */
  tell(): Promise<void> {
    return this.#untold.tell(async (jti, partition) => {
      const key = this.#options.keys.of(partition, 'token', jti);
      return (await this.#ask(() => this.#options.client.setFor(key, SPENT, SPENT_LIFE_MS))) !== undefined;
    });
  }

  /** A script that ends with Redis' time, or begins its list with it after one number. */
  async #timed(
    partition: number,
    send: (untilUs: number) => Promise<unknown>,
  ): Promise<readonly unknown[] | undefined> {
    const { clock, monotonicMs, commandTimeoutMs } = this.#options;
    const sentAtMs = monotonicMs();
    const reply = await this.#ask(() => send(clock.after(partition, commandTimeoutMs)));
    if (reply === undefined) return undefined;
    const list: readonly unknown[] = Array.isArray(reply) ? reply : [undefined, reply];
    clock.observe(partition, list[1], sentAtMs);
    return list;
  }

  /** The reply, or undefined where Redis doesn't give one: whatever it fails with, we go on without it. */
  async #ask(send: () => Promise<unknown>, what: 'reads' | 'writes' = 'writes'): Promise<unknown> {
    const { circuit, onChange } = this.#options;
    const askedAtMs = circuit.admit();
    if (askedAtMs === undefined) return undefined;
    try {
      const reply = await send();
      if (what === 'reads') {
        circuit.answered();
        return reply ?? null;
      }
      const wasDown = circuit.succeeded();
      if (wasDown || !this.#everAnswered) onChange('up');
      this.#everAnswered = true;
      if (this.#untold.size > 0) void this.tell();
      return reply ?? null;
    } catch {
      if (circuit.failed(askedAtMs)) onChange('down');
      return undefined;
    }
  }
}
