import { connect } from 'node:net';

export interface RawRequest {
  readonly port: number;
  /** `POST /account/token/verify/`. */
  readonly target: string;
  /** Lines as they are sent, after Host and those of the body; one of the same name takes their place. */
  readonly lines?: readonly string[];
  /** These lines alone, and not the blank one that ends them. */
  readonly unfinished?: readonly string[];
  readonly body?: string;
  /** An address of loopback that it comes from. */
  readonly from?: string;
  /** What is enough of an answer that doesn't end. */
  readonly until?: (text: string) => boolean;
}

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A request over a connection of its own, byte by byte: clients that are polite can not send all of this. */
export function rawRequest(request: RawRequest): Promise<RawAnswer> {
  const { port, from, until } = request;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ...(from !== undefined && { localAddress: from }) });
    let told = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      told += text;
      if (until?.(told) === true) socket.destroy();
    });
    socket.on('error', reject).on('close', () => resolve(answerIn(told)));
    socket.write(textOf(request), 'latin1');
  });
}

function textOf({ target, lines = [], unfinished, body = '' }: RawRequest): string {
  const begun = `${target} HTTP/1.1\r\n`;
  if (unfinished !== undefined) return begun + unfinished.map((line) => `${line}\r\n`).join('');
  const named = new Set(lines.map((line) => nameOf(line)));
  const usual = [
    'Host: app.example.org',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].filter((line) => nameOf(line) === 'connection' || !named.has(nameOf(line)));
  return `${begun}${[...usual, ...lines].map((line) => `${line}\r\n`).join('')}\r\n${body}`;
}

function answerIn(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  return {
    status: Number(first.slice(9, 12)),
    head,
    headers: new Map(lines.map((line) => [nameOf(line), line.slice(line.indexOf(':') + 1).trim()] as const)),
    body: Buffer.from(rest.join('\r\n\r\n'), 'latin1').toString('utf8'),
  };
}

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(':')).toLowerCase();
}
