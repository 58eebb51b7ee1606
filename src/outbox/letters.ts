import type { Claim, Claimed } from '../rotation/ports.js';
import type { LetterBox } from './ports.js';

export interface LettersOptions {
  readonly box: LetterBox;
  readonly encode: (claim: Claim) => string;
  readonly decode: (entry: string) => Claim | undefined;
  /** How many there are; told whenever that was looked up. */
  readonly onCount: (count: number) => void;
}

interface Known {
  readonly id: string;
  readonly jti: string;
  readonly userKey: string | undefined;
  readonly claimed: Claimed;
}

/** Entries that are read at once: a kilobyte or two each. */
const PAGE = 500;

/**
 * What is known of the claims that were answered and that the database refused to write (carelink.dead_letters). Their
 * tokens are spent, though no row says so: as long as the letter is there they are refused, by every instance.
 *
 * Nothing is asked on the way of a refresh: what is known is looked up at the start and once a second, and of what this
 * process refused itself it knows at once. Where there are no letters all that is left is a comparison with 0.
 */
export class Letters {
  readonly #options: LettersOptions;
  readonly #byId = new Map<string, Known | undefined>();
  readonly #byJti = new Map<string, readonly Known[]>();
  #idSum = 0n;
  #looking: Promise<void> | undefined;

  constructor(options: LettersOptions) {
    this.#options = options;
  }

  /** Those that nobody can read are letters, too. */
  get size(): number {
    return this.#byId.size;
  }

  has(jti: string): boolean {
    return this.#byJti.has(jti);
  }

  claimed(jti: string): Claimed | undefined {
    return this.#byJti.get(jti)?.[0]?.claimed;
  }

  holds(claim: Claim): boolean {
    return (
      this.#byJti.get(claim.jti)?.some(({ claimed }) => claimed.claimedAtUs === claim.claimedAtUs) === true
    );
  }

  /** Keeps a claim, or an entry that can't be read. Rejects where that can't be done now. */
  async keep(what: Claim | string, code: string): Promise<void> {
    const { box, encode } = this.#options;
    const id = await box.keep(typeof what === 'string' ? what : encode(what), code);
    // Another instance may have been first: then it is found by looking.
    if (id === undefined) await this.look();
    else this.#add(id, typeof what === 'string' ? undefined : what);
    this.#options.onCount(this.size);
  }

  /** The claims of one user. */
  async ofUser(userKey: string | undefined): Promise<Claim[]> {
    if (this.size === 0) return [];
    const ids = [...this.#byId.values()].flatMap((one) => (one?.userKey === userKey && one ? [one.id] : []));
    const claims: Claim[] = [];
    for await (const [, claim] of this.read(ids)) if (claim !== undefined) claims.push(claim);
    return claims;
  }

  /** In the order of their being kept. */
  ids(): string[] {
    return [...this.#byId.keys()];
  }

  /** What these hold, as far as they are still there. Rejects with the box's error. */
  async *read(ids: readonly string[]): AsyncGenerator<readonly [id: string, claim: Claim | undefined]> {
    for (let at = 0; at < ids.length; at += PAGE) {
      for (const { id, entry } of await this.#options.box.read(ids.slice(at, at + PAGE)))
        yield [id, this.#options.decode(entry)];
    }
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#options.box.remove(ids);
    for (const id of ids) this.#forget(id);
    this.#options.onCount(this.size);
  }

  /** Learns what came and what went. Rejects with the box's error. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { box, onCount } = this.#options;
    if ((await box.fingerprint()) !== this.#fingerprint()) {
      const before = [...this.#byId.keys()];
      const ids = new Set(await box.ids());
      // One that was kept here while the ids were on their way is in neither list, and stays.
      for (const id of before) if (!ids.has(id)) this.#forget(id);
      const fresh = [...ids].filter((id) => !this.#byId.has(id));
      for await (const [id, claim] of this.read(fresh)) this.#add(id, claim);
    }
    onCount(this.size);
  }

  #fingerprint(): string {
    return `${this.#byId.size} ${this.#idSum}`;
  }

  #add(id: string, claim: Claim | undefined): void {
    if (this.#byId.has(id)) return;
    this.#idSum += BigInt(id);
    if (claim === undefined) {
      this.#byId.set(id, undefined);
      return;
    }
    const { jti, userKey, claimedAtUs, successor } = claim;
    const known = { id, jti, userKey, claimed: { claimedAtUs, successorJti: successor.jti } };
    this.#byId.set(id, known);
    this.#byJti.set(jti, [...(this.#byJti.get(jti) ?? []), known]);
  }

  #forget(id: string): void {
    const known = this.#byId.get(id);
    if (this.#byId.delete(id)) this.#idSum -= BigInt(id);
    if (known === undefined) return;
    const left = (this.#byJti.get(known.jti) ?? []).filter((one) => one !== known);
    if (left.length > 0) this.#byJti.set(known.jti, left);
    else this.#byJti.delete(known.jti);
  }
}
