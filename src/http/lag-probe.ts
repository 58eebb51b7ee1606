import { createSocket, type Socket } from 'node:dgram';

/** One datagram in so long tells enough, and costs less than a thousandth of a core. */
const EVERY_MS = 25;

/** What was measured so long ago says nothing of now. */
const STALE_MS = 300;

/** A datagram that hasn't come back by then is lost; the next one may come. */
const LOST_MS = 5_000;

/**
 * How long a socket of this process waits to be read, once something has arrived on it.
 *
 * Under a load that one processor can't bear requests wait in the kernel, where nobody sees them: a timer is late by one
 * turn of the event loop, but 1,024 sockets are read at a time, and those behind them wait for more turns. So it is
 * measured with a socket: a datagram to itself stands in line with all the others.
 */
export class LagProbe {
  readonly #monotonicMs: () => number;
  readonly #socket: Socket;
  #ready = false;
  #number = 0;
  /** Undefined: none is on its way. */
  #sentMs: number | undefined;
  #cameMs = -Infinity;
  #lastMs = 0;
  #beforeMs = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#socket = createSocket('udp4', (message) => this.#came(String(message)));
    // Without it the lag isn't known, and nobody is refused for it.
    this.#socket.on('error', () => (this.#ready = false));
    this.#socket.bind({ port: 0, address: '127.0.0.1', exclusive: true }, () => {
      this.#socket.connect(this.#socket.address().port, '127.0.0.1', () => (this.#ready = true));
    });
    this.#socket.unref();
  }

  /**
   * Milliseconds that sockets wait, and have waited for some time: the smaller of the last two readings, for a moment's
   * pause is no overload. To be called when something was read: it measures no more often than it is asked.
   */
  standingMs(nowMs: number): number {
    if (this.#sentMs !== undefined) {
      const onItsWayMs = nowMs - this.#sentMs;
      if (onItsWayMs <= LOST_MS) return Math.min(this.#lastMs, Math.max(this.#beforeMs, onItsWayMs));
      this.#sentMs = undefined;
      this.#lastMs = this.#beforeMs = 0;
    }
    if (this.#ready && nowMs - this.#cameMs > EVERY_MS) this.#send(nowMs);
    return Math.min(this.#lastMs, this.#beforeMs);
  }

  close(): void {
    this.#ready = false;
    this.#socket.close();
  }

  #send(nowMs: number): void {
    if (nowMs - this.#cameMs > STALE_MS) this.#lastMs = this.#beforeMs = 0;
    this.#sentMs = nowMs;
    this.#socket.send(String(++this.#number), (error) => {
      if (error !== null) this.#sentMs = undefined;
    });
  }

  #came(number: string): void {
    // One that was given up for lost may come all the same.
    if (this.#sentMs === undefined || number !== String(this.#number)) return;
    this.#cameMs = this.#monotonicMs();
    this.#beforeMs = this.#lastMs;
    this.#lastMs = this.#cameMs - this.#sentMs;
    this.#sentMs = undefined;
  }
}
