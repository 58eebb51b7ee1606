import { Cluster, type Redis } from './ioredis.js';
import { refusedByItself, type RedisFault } from './redis-faults.js';
import { own, setUp, type SetUpOptions } from './redis-set-up.js';

export interface GuardOptions extends SetUpOptions {
  /** Whose keys these have to be (carelink.identity); undefined: that is not known, and not looked at. */
  readonly owner: string | undefined;
  /** From now on it may be worked with: it may be another one by now, or have lost what it knew. */
  readonly onFit: () => void;
  /** It answers, and must not be worked with. */
  readonly onFault: (fault: RedisFault) => void;
}

/**
 * Lets nothing be sent to a Redis before it is known to be the one that was asked for: logged in, in its database, with
 * all rights that are needed, and nobody else's (rule 33). Until then, and where it isn't, it is as good as down.
 */
export class RedisGuard {
  readonly #options: GuardOptions;
  #fit = false;
  #fault: RedisFault | undefined;
  #obstacle: string | undefined;
  #looking: Promise<void> | undefined;
  /** Counts connections: what was learned of one says nothing of the next. */
  #connection = 0;

  constructor(options: GuardOptions) {
    this.#options = options;
    const { client } = options;
    client.on('ready', () => void this.look());
    client.on('error', (error: Error) => this.#heard(error));
    client.on('sentinelError', (error: Error) => this.#heard(error));
    if (client instanceof Cluster) {
      // A cluster has one database, and nodes that come and go: each has to let us in.
      client.on('+node', (node: Redis) => {
        node.on('ready', () => void this.look('anew'));
        node.on('error', (error: Error) => this.#heard(error));
      });
    } else {
      client.on('close', () => {
        this.#connection++;
        this.#fit = false;
      });
    }
  }

  get fit(): boolean {
    return this.#fit;
  }

  /** Undefined: it is fit, or was not reached yet. */
  get fault(): RedisFault | undefined {
    return this.#fault;
  }

  /** Why it can't be worked with at the moment, though it was reached. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /**
   * Looks, or looks again: at the owner where all else is known. To be called now and then, too. Never rejects.
   *
   * @param anew it is told to be fit though it was: a node of a cluster is another one
   */
  async look(anew?: 'anew'): Promise<void> {
    await this.#looking;
    this.#looking ??= this.#look(anew).finally(() => (this.#looking = undefined));
    await this.#looking;
  }

  /** A command was refused for want of a right: nothing more is sent, and the look says which one it is. */
  denied(): void {
    this.#fit = false;
    void this.look();
  }

  async #look(anew: 'anew' | undefined): Promise<void> {
    const { client, owner, onFit } = this.#options;
    if (client.status !== 'ready') return;
    const connection = this.#connection;
    let fault = this.#fit && anew === undefined ? undefined : await setUp(this.#options);
    if (fault === undefined && owner !== undefined && connection === this.#connection)
      fault = await own(this.#options, owner);
    if (connection !== this.#connection) return;
    this.#obstacle = fault?.code === 'NOT_NOW' ? fault.message : undefined;
    if (fault?.code === 'NOT_NOW') return;
    if (fault !== undefined) {
      this.#tell(fault);
      return;
    }
    const wasFit = this.#fit;
    this.#fault = undefined;
    this.#fit = true;
    if (!wasFit || anew !== undefined) onFit();
  }

  #heard(error: Error): void {
    const fault = this.#fit ? undefined : refusedByItself(error, this.#options);
    if (fault !== undefined) this.#tell(fault);
  }

  #tell(fault: RedisFault): void {
    const known = this.#fault?.message === fault.message;
    this.#fit = false;
    this.#fault = fault;
    if (!known) this.#options.onFault(fault);
  }
}
