import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** As a network that is cut: nothing comes through, and nobody is told. New connections are accepted and lead nowhere. */
  cut(): void;
  /** New connections are accepted and lead nowhere; those that are there go on. */
  holdNew(): void;
  /** Connections that were accepted since, and wait. */
  readonly held: number;
  /** Connections that lead nowhere any more, though nobody was told. */
  readonly forgotten: number;
  /** All that are there lead nowhere from now on; new ones do. */
  forget(): void;
  /** What is sent arrives, and nothing of what is answered. */
  loseAnswers(): void;
  /** What was sent meanwhile arrives now, as TCP would have it. */
  heal(): void;
  /** Breaks all connections; new ones lead to another port. */
  leadTo(port: number): void;
  stop(): Promise<void>;
}

export interface TcpProxyOptions {
  /** Connections over which nothing went for so long lead nowhere from then on, and nobody is told, as behind a NAT. */
  readonly forgetsAfterMs?: number;
}

/** A way to a port of loopback that can be cut. */
export async function startTcpProxy(
  targetPort: number,
  { forgetsAfterMs }: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const targets = new Set<Socket>();
  let open = true;
  let port = targetPort;
  let held = 0;
  let forgotten = 0;
  const forgets = new Set<() => void>();
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ host: '127.0.0.1', port, noDelay: true });
    targets.add(target);
    const forget = () => {
      if (!forgets.delete(forget)) return;
      forgotten++;
      for (const socket of [client, target]) socket.removeAllListeners('data').on('data', () => undefined);
    };
    const idle = forgetsAfterMs === undefined ? undefined : setTimeout(forget, forgetsAfterMs);
    forgets.add(forget);
    client.on('close', () => {
      forgets.delete(forget);
      clearTimeout(idle);
    });
    target.on('close', () => targets.delete(target));
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => {
        idle?.refresh();
        to.write(data);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        if (open) to.destroy();
      });
      if (!open) from.pause();
    }
    if (!open) held++;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    cut() {
      open = false;
      for (const socket of sockets) socket.pause();
    },
    holdNew() {
      open = false;
    },
    get held() {
      return held;
    },
    get forgotten() {
      return forgotten;
    },
    forget() {
      for (const forget of forgets) forget();
    },
    loseAnswers() {
      for (const target of targets) target.pause();
    },
    heal() {
      open = true;
      held = 0;
      for (const socket of sockets) socket.resume();
    },
    leadTo(other) {
      port = other;
      for (const socket of sockets) socket.destroy();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
