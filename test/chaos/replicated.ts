import { setTimeout as sleep } from 'node:timers/promises';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../support/postgres.js';
import { startPrimaryProxy, type PrimaryProxy } from '../support/primary-proxy.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { migrate } from './migrate.js';

export type Replication = 'asynchronous' | 'synchronous';

/** A record that has been received is replayed by then. */
const REPLAYS_WITHIN_MS = 100;

/** A primary and a standby that follows it, until one takes the other's place. */
export class Replicated {
  readonly ports: readonly number[];
  readonly #replication: Replication;
  #primary: Cluster;
  #standby: Cluster;
  /** The way from the standby to the primary. */
  #wire: TcpProxy;
  readonly #haproxy: PrimaryProxy;

  private constructor(
    replication: Replication,
    parts: { readonly primary: Cluster; readonly standby: Cluster; readonly wire: TcpProxy },
    haproxy: PrimaryProxy,
  ) {
    this.#replication = replication;
    this.#primary = parts.primary;
    this.#standby = parts.standby;
    this.#wire = parts.wire;
    this.#haproxy = haproxy;
    this.ports = [parts.primary.port, parts.standby.port];
  }

  static async start(
    replication: Replication,
    { closesSessions, migrateArgs }: { readonly closesSessions: boolean; readonly migrateArgs: string[] },
  ): Promise<Replicated> {
    const primary = await startCluster();
    await createSimplejwtTables(primary.url);
    await migrate(primary.url, migrateArgs);
    const wire = await startTcpProxy(primary.port);
    const standby = await follow(wire);
    const haproxy = await startPrimaryProxy([primary.port, standby.port], { closesSessions });
    const pair = new Replicated(replication, { primary, standby, wire }, haproxy);
    await pair.#wait();
    return pair;
  }

  /** Of the primary itself. */
  get url(): string {
    return this.#primary.url;
  }

  get urls(): { readonly proxied: string; readonly hosts: string } {
    const hosts = this.ports.map((port) => `127.0.0.1:${port}`).join(',');
    return {
      proxied: `postgres://postgres@127.0.0.1:${this.#haproxy.port}/postgres`,
      hosts: `postgres://postgres@${hosts}/postgres`,
    };
  }

  get standbyUrl(): string {
    return this.#standby.url;
  }

  /** From here on the standby hears nothing. */
  cut(): void {
    this.#wire.cut();
  }

  /** Kills the primary with all that the standby hasn't heard; resolves when it is gone. */
  async killPrimary(): Promise<void> {
    await this.#primary.kill9();
    await this.#wire.stop();
  }

  /** Reads what the standby has, once it has replayed all that it heard from a primary that is dead. */
  async whatStandbyHas<T>(read: (url: string) => Promise<T>): Promise<T> {
    const { url } = this.#standby;
    const replayed = async (): Promise<string> => {
      const [row] = await query<{ lsn: string }>(url, 'SELECT pg_last_wal_replay_lsn()::text AS lsn');
      return row!.lsn;
    };
    // Of its last record it may have heard only a part: so it is not waited for until all of it is replayed.
    let now = '';
    for (let before: string | undefined; now !== before;) {
      before = now;
      await sleep(REPLAYS_WITHIN_MS);
      now = await replayed();
    }
    return read(url);
  }

  /** The standby takes writes when it resolves. */
  async promote(): Promise<void> {
    await query(this.#standby.url, 'SELECT pg_promote()');
    [this.#primary, this.#standby] = [this.#standby, this.#primary];
  }

  /** A new standby in place of the dead one. */
  async replace(): Promise<void> {
    const { port } = this.#standby;
    await this.#standby.stop();
    this.#wire = await startTcpProxy(this.#primary.port);
    this.#standby = await follow(this.#wire, port);
    await this.#wait();
  }

  async stop(): Promise<void> {
    await this.#haproxy.stop();
    await this.#wire.stop().catch(() => undefined);
    if (this.#replication === 'synchronous') await this.#setNames('');
    await Promise.all([this.#primary.stop(), this.#standby.stop()]);
  }

  /** Where replication is synchronous: from now on commits wait for the standby. */
  async #wait(): Promise<void> {
    if (this.#replication === 'synchronous') await this.#setNames('*');
  }

  async #setNames(names: string): Promise<void> {
    await query(this.#primary.url, `ALTER SYSTEM SET synchronous_standby_names = '${names}'`).catch(
      () => undefined,
    );
    await query(this.#primary.url, 'SELECT pg_reload_conf()').catch(() => undefined);
  }
}

async function follow(wire: TcpProxy, port?: number): Promise<Cluster> {
  const url = `postgres://postgres@127.0.0.1:${wire.port}/postgres`;
  const standby = await startCluster({
    copyOf: { url, standby: true },
    ...(port === undefined ? {} : { port }),
  });
  // It has the primary's file, and no standby of its own once it is promoted.
  await query(standby.url, 'ALTER SYSTEM RESET synchronous_standby_names');
  await query(standby.url, 'SELECT pg_reload_conf()');
  return standby;
}
