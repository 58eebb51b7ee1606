/**
 * Of how many parts the keys consist: each lies whole in one slot of a Redis Cluster. 256 spread evenly over any
 * cluster that a refresh server needs, and one instance can still look after all of them.
 */
export const PARTITIONS = 256;

const FIRST = 0x811c9dc5;
const PRIME = 0x01000193;
const LAST_ASCII = 127;

/**
 * The partition of a user's tokens (FNV-1a, 32 bits): a token and its successor, and so all keys of one script, share
 * it. Every instance must compute the same, so it never changes. Tokens without a user share one.
 */
export function partitionOf(userKey: string | undefined): number {
  const key = userKey ?? '';
  let hash = FIRST;
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at);
    // Ids are ASCII as a rule, and need no copy.
    if (code > LAST_ASCII) return partitionOfBytes(Buffer.from(key));
    hash = Math.imul(hash ^ code, PRIME) >>> 0;
  }
  return hash % PARTITIONS;
}

function partitionOfBytes(bytes: Uint8Array): number {
  let hash = FIRST;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, PRIME) >>> 0;
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
