import type { Claim } from '../rotation/ports.js';
import type { Circuit } from './circuit.js';
import { decodeClaim } from './claim-entry.js';
import { partitionOf, PARTITIONS, type RedisKeys } from './partition.js';
import type { RedisClock } from './redis-clock.js';
import { isRefusal, type ScriptClient } from './redis-client.js';
import { SPENT_LIFE_MS } from './redis.js';

/** An entry of the outbox; undefined: no claim that can be read. */
export interface Entry {
  readonly partition: number;
  readonly id: string;
  readonly claim: Claim | undefined;
  readonly text: string;
}

export interface OutboxStreamOptions {
  readonly client: ScriptClient;
  readonly keys: RedisKeys;
  readonly circuit: Circuit;
  readonly clock: RedisClock;
  readonly monotonicMs: () => number;
  readonly consumer: string;
  readonly refreshLifetimeMs: number;
  readonly onChange: (state: 'down' | 'up') => void;
}

/** An instance that is alive and well writes within half a second; one that is slow loses nothing if another helps. */
const LEFT_FOR_MS = 2_500;

/** Entries of one partition that are read at once. */
const PAGE = 500;

/** The streams of claims that are still to be written, one a partition. Nothing here rejects. */
export class OutboxStream {
  readonly partitions = PARTITIONS;
  readonly #options: OutboxStreamOptions;

  constructor(options: OutboxStreamOptions) {
    this.#options = options;
  }

  /** Entries that their instance left behind, now ours; undefined where Redis doesn't answer. */
  async takeOver(partition: number): Promise<Entry[] | undefined> {
    const { client, consumer, clock, keys, monotonicMs } = this.#options;
    const sentAtMs = monotonicMs();
    const ask = (): Promise<unknown> => client.takeOver(keys.outbox(partition), consumer, LEFT_FOR_MS, PAGE);
    const reply = await this.#ask(ask, 'reads');
    if (!Array.isArray(reply)) return undefined;
    const [fresh, nowUs, left] = reply as unknown[];
    // By the way it is learned what time each partition's Redis has, before the first claim wants to know.
    clock.observe(partition, nowUs, sentAtMs);
    return [...readEntries(partition, fresh), ...readEntries(partition, left)];
  }

  /** Written: false where Redis couldn't be told. */
  async settle(partition: number, entryIds: readonly string[], jtis: readonly string[]): Promise<boolean> {
    const { keys: names, client } = this.#options;
    const keys = [names.outbox(partition), ...jtis.map((jti) => names.of(partition, 'token', jti))];
    const known = entryIds.filter((id) => id !== '');
    const reply = await this.#ask(() => client.settle(keys.length, ...keys, SPENT_LIFE_MS, ...known));
    return reply !== undefined;
  }

  /** A claim that had no entry any more is written. */
  written({ jti, userKey }: Claim): Promise<boolean> {
    return this.settle(partitionOf(userKey), [], [jti]);
  }

  /**
   * No token of the user that was made before `sinceUs` is claimed here any more. Returns what is to be written of the
   * user; undefined where Redis doesn't answer.
   */
  async close(userKey: string | undefined, sinceUs: number): Promise<Claim[] | undefined> {
    const { client, keys, refreshLifetimeMs } = this.#options;
    const partition = partitionOf(userKey);
    const claims: Claim[] = [];
    for (let from = '-'; ;) {
      const reply = await this.#ask(() =>
        client.closeFor(
          keys.userSince(partition, userKey),
          keys.outbox(partition),
          sinceUs,
          refreshLifetimeMs,
          from,
          PAGE,
        ),
      );
      if (reply === undefined) return undefined;
      const entries = readEntries(partition, reply);
      for (const { claim } of entries)
        if (claim?.userKey === userKey && claim !== undefined) claims.push(claim);
      const last = entries.at(-1);
      if (last === undefined || entries.length < PAGE) return claims;
      from = `(${last.id}`;
    }
  }

  /** This process writes no more. */
  async leave(): Promise<void> {
    const { client, consumer, keys } = this.#options;
    await Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) =>
        this.#ask(() => client.leave(keys.outbox(partition), consumer), 'reads'),
      ),
    );
  }

  /** `reads`: mostly there is nothing to be written, so that it doesn't tell whether anything could be. */
  async #ask(send: () => Promise<unknown>, what: 'reads' | 'writes' = 'writes'): Promise<unknown> {
    const { circuit, onChange } = this.#options;
    const askedAtMs = circuit.admit();
    if (askedAtMs === undefined) return undefined;
    try {
      const reply = await send();
      if (what === 'reads') circuit.answered();
      else if (circuit.succeeded()) onChange('up');
      return reply ?? null;
    } catch (error) {
      // One key that others spoilt is no reason to do without all of them.
      if (what === 'reads' && isRefusal(error)) circuit.answered();
      else if (circuit.failed(askedAtMs)) onChange('down');
      return undefined;
    }
  }
}

/** [[id, [name, value]], ...]; an entry that was deleted meanwhile has no fields. */
function readEntries(partition: number, list: unknown): Entry[] {
  if (!Array.isArray(list)) return [];
  const entries: Entry[] = [];
  for (const item of list as unknown[]) {
    if (!Array.isArray(item)) continue;
    const [id, fields] = item as unknown[];
    if (typeof id !== 'string' || !Array.isArray(fields)) continue;
    const text = String((fields as unknown[])[1]);
    entries.push({ partition, id, claim: decodeClaim(text), text });
  }
  return entries;
}
