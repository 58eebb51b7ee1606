/** Answers of servers in this process, and of those that tests talk to byte by byte, are held against docs/openapi.yaml. */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { judge, judgeAny, type Answer, type Asked } from './openapi.js';

interface Held {
  readonly port: Asked['port'];
  readonly basePath: string;
  /** Files of the test's own. */
  readonly except: readonly string[];
}

/** By port. */
const servers = new Map<number, Held>();
const faults: string[] = [];

/** From now on whatever a server at this port of this process answers is in the document, or the running test fails. */
export function holdToDocument(port: number, held: Held): void {
  servers.set(port, held);
  onTestFinished(() => {
    servers.delete(port);
    const found = faults.splice(0);
    if (found.length > 0) throw new Error(`docs/openapi.yaml has it otherwise:\n${found.join('\n')}`);
  });
}

/** The same for the bytes of one or more answers, whoever gave them. */
export function holdBytesToDocument(text: string): void {
  let rest = text;
  while (rest.startsWith('HTTP/1.1 ') && rest.includes('\r\n\r\n')) {
    const end = rest.indexOf('\r\n\r\n');
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = headersIn(lines.map((line) => line.split(/: ?(.*)/s, 2)));
    const status = Number(first.slice(9, 12));
    rest = rest.slice(end + 4);
    if (status < 200) continue;
    const length = Number(headers.get('content-length') ?? 0);
    // Of HEAD, there is none.
    const body = rest === '' || rest.startsWith('HTTP/1.1 ') ? '' : rest.slice(0, length);
    // What broke off is no answer.
    if (body !== '' && body.length < length) return;
    rest = rest.slice(body.length);
    faults.push(...judgeAny({ status, headers, body: Buffer.from(body, 'latin1').toString('utf8') }));
  }
}

function headersIn(pairs: readonly (readonly unknown[])[]): ReadonlyMap<string, string> {
  return new Map(pairs.map(([name, value]) => [String(name).toLowerCase(), [value].flat().join('\n')]));
}

subscribe('http.server.request.start', (message) => {
  const { request, response, server } = message as {
    request: IncomingMessage;
    response: ServerResponse;
    server: Server;
  };
  const held = servers.get((server.address() as AddressInfo | null)?.port ?? -1);
  if (held !== undefined) record(held, request, response);
});

function record({ port, basePath, except }: Held, request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  let headers: ReadonlyMap<string, string> = new Map();
  const write = response.write.bind(response) as (chunk: string) => boolean;
  const writeHead = response.writeHead.bind(response) as (status: number, flat: string[]) => ServerResponse;
  Object.assign(response, {
    writeHead(status: number, flat: string[]) {
      const named = flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : []));
      headers = headersIn([...Object.entries(response.getHeaders()), ...named]);
      return writeHead(status, flat);
    },
    write(chunk: string) {
      body += chunk;
      return write(chunk);
    },
  });
  response.once('finish', () => {
    const answer: Answer = { status: response.statusCode, headers, body };
    const method = request.method ?? '';
    const path = pathIn(request.url ?? '');
    if (except.includes(path)) return;
    const below = path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : `outside:${path}`;
    const asked = { port, method, path: below };
    faults.push(...judge(asked, method === 'HEAD' ? { ...answer, body: '' } : answer).faults);
  });
}

function pathIn(target: string): string {
  return URL.canParse(target) ? new URL(target).pathname : (target.split('?', 1)[0] ?? '');
}
