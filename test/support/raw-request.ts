import { connect } from 'node:net';

export interface RawRequest {
  readonly port: number;
  /** `POST /account/token/verify/`. */
  readonly target: string;
  /** Lines as they are sent, after Host and those of the body. */
  readonly lines?: readonly string[];
  readonly body?: string;
  /** An address of loopback that it comes from. */
  readonly from?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A request over a connection of its own, byte by byte: clients that are polite can not send all of this. */
export function rawRequest({ port, target, lines = [], body = '', from }: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ...(from !== undefined && { localAddress: from }) });
    let told = '';
    socket.setEncoding('latin1').on('data', (text: string) => (told += text));
    socket.on('error', reject).on('close', () => {
      const [head = '', ...rest] = told.split('\r\n\r\n');
      resolve({ status: Number(head.slice(9, 12)), head, body: rest.join('\r\n\r\n') });
    });
    const all = [
      'Host: app.example.org',
      'Connection: close',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...lines,
    ];
    socket.write(`${target} HTTP/1.1\r\n${all.map((line) => `${line}\r\n`).join('')}\r\n${body}`, 'latin1');
  });
}
