import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Which connections of a port are idle, so that one of them can make room for a new one where there are too many. */
export class IdleConnections {
  readonly #max: number;
  /** All that are open, with the answers that each still waits for. The one that has been idle for longest comes first. */
  readonly #open = new Map<Socket, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** A new connection. Where there are more than allowed the longest idle one is closed; where none is idle, this one. */
  opened(socket: Socket): void {
    this.#open.set(socket, 0);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#open.size <= this.#max) return;
    for (const [other, answers] of this.#open) {
      if (answers > 0) continue;
      this.#open.delete(other);
      other.destroy();
      return;
    }
  }

  /** A request has come whole, and is to be answered. */
  began(socket: Socket, response: ServerResponse): void {
    const answers = this.#open.get(socket);
    if (answers === undefined) return;
    this.#open.set(socket, answers + 1);
    response.once('close', () => {
      const left = this.#open.get(socket);
      if (left === undefined) return;
      this.#open.delete(socket);
      this.#open.set(socket, left - 1);
    });
  }
}
