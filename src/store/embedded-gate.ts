import { timingSafeEqual } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream';

/**
 * A loopback port that asks for a password and passes on to a socket or pipe: for systems where `pg` can't reach
 * the embedded PostgreSQL by a unix socket. Every user of a machine can reach its loopback ports, and PGlite asks
 * nobody for a password.
 *
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export interface Gate {
  readonly port: number;
  close(): Promise<void>;
}

/** Of what comes before the password nothing is longer. */
const MAX_MESSAGE_BYTES = 8_192;
const PASSWORD_TIMEOUT_MS = 5_000;

const ASK_FOR_PASSWORD = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);
const WRONG_PASSWORD = errorResponse('FATAL', '28P01', 'wrong password');

/** Opens the gate at a free port of 127.0.0.1. */
export function openGate(target: string, password: string): Promise<Gate> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(PASSWORD_TIMEOUT_MS, () => socket.destroy());
    void admit(socket, target, password).catch(() => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}

async function admit(socket: Socket, target: string, password: string): Promise<void> {
  const startup = await readMessage(socket, 0);
  socket.write(ASK_FOR_PASSWORD);
  const answer = await readMessage(socket, 1);
  const given = answer.subarray(5, -1);
  const wanted = Buffer.from(password);
  if (answer[0] !== 0x70 || given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    socket.end(WRONG_PASSWORD);
    return;
  }
  socket.setTimeout(0);
  const inner = connect(target);
  inner.write(startup);
  pipeline(socket, inner, socket, () => undefined);
}

/** One whole message: `tag` bytes (0 or 1), then its length, which counts itself. What follows it stays unread. */
async function readMessage(socket: Socket, tag: 0 | 1): Promise<Buffer> {
  let read = Buffer.alloc(0);
  for (;;) {
    const wanted = read.length < tag + 4 ? undefined : tag + read.readInt32BE(tag);
    if (wanted !== undefined && (wanted < tag + 4 || wanted > MAX_MESSAGE_BYTES)) {
      throw new RangeError('not a message of the protocol');
    }
    if (wanted !== undefined && read.length >= wanted) {
      if (read.length > wanted) socket.unshift(read.subarray(wanted));
      return read.subarray(0, wanted);
    }
    read = Buffer.concat([read, await nextChunk(socket)]);
  }
}

function nextChunk(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const take = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      socket.off('readable', take);
      socket.off('close', gone);
      resolve(chunk);
    };
    const gone = (): void => reject(new Error('closed before it said who it is'));
    socket.on('readable', take);
    socket.once('close', gone);
  });
}

function errorResponse(severity: string, code: string, message: string): Buffer {
  const fields = Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}
