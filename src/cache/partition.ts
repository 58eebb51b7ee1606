/**
 * Of how many parts the keys consist: each lies whole in one slot of a Redis Cluster. 256 spread evenly over any
 * cluster that a refresh server needs, and one instance can still look after all of them.
 */
export const PARTITIONS = 256;

/**
 * The partition of a user's tokens (FNV-1a, 32 bits): a token and its successor, and so all keys of one script, share
 * it. Every instance must compute the same, so it never changes. Tokens without a user share one.
 */
export function partitionOf(userKey = ''): number {
  // A character for each byte. Ids are ASCII as a rule, and need no copy.
  const bytes =
    Buffer.byteLength(userKey) === userKey.length ? userKey : Buffer.from(userKey).toString('latin1');
  let hash = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ bytes.charCodeAt(at), 0x01000193) >>> 0;
  return hash % PARTITIONS;
}

/** The names of all keys of one system. The braces are Redis Cluster's: what is in them chooses the slot. */
export class RedisKeys {
  /** It stays what it was where nothing is said: in a rolling upgrade two releases share what is in Redis. */
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Of a token's lock, hint or doubt. */
  of(partition: number, what: 'lock' | 'token' | 'doubt', jti: string): string {
    return `${this.#prefix}:{${partition}}:${what}:${jti}`;
  }

  /** The stream of what the partition's claims still owe to the database. */
  outbox(partition: number): string {
    return `${this.#prefix}:{${partition}}:outbox`;
  }

  /** The time (us) before which nothing of a user that was called active is to be believed: log-outs, revocations. */
  userSince(partition: number, userKey: string | undefined): string {
    return `${this.#prefix}:{${partition}}:user:${userKey ?? ''}`;
  }

  /** Names the system whose keys these are: the id of carelink.identity. */
  get owner(): string {
    return `${this.#prefix}:owner`;
  }

  /** As rights are given to them. */
  get pattern(): string {
    return `${this.#prefix}:*`;
  }
}
