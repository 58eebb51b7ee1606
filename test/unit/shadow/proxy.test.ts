/** A shadow passes everything through: what Django gets is what was sent, what a client gets is what Django answered. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NO_LOG } from '../../../src/observe/log.js';
import type { HttpServer } from '../../../src/http/listener.js';
import { createShadowServer, type Asked, type Ticket } from '../../../src/shadow/proxy.js';
import type { Answered } from '../../../src/shadow/passing.js';
import { openUpstream } from '../../../src/shadow/upstream.js';

const CRLF = '\r\n';

/** A server that keeps the bytes it gets, and answers with bytes. */
interface Django {
  readonly port: number;
  /** What came over each connection, so far. */
  readonly got: string[];
  readonly sockets: Socket[];
  close(): void;
}

type Answer = (request: string, socket: Socket) => void;

async function startDjango(answer: Answer): Promise<Django> {
  const got: string[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    const at = got.push('') - 1;
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (text: string) => {
      const all = `${got[at] ?? ''}${text}`;
      got[at] = all;
      answer(all, socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    got,
    sockets,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

interface Judged {
  readonly asked: Asked;
  readonly answered: Answered;
}

const closes: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});

async function world(answer: Answer, judges = true) {
  const django = await startDjango(answer);
  closes.push(() => django.close());
  return { django, ...(await shadowOf(django.port, judges)) };
}

async function shadowOf(djangoPort: number, judges = true) {
  const upstream = openUpstream(`http://127.0.0.1:${djangoPort}`);
  const judged: Judged[] = [];
  const counts = { passed: 0, upstream: 0, client: 0, open: 0 };
  const ticket = (): Ticket => {
    counts.open += 1;
    return {
      answered: (asked, answered) => judged.push({ asked, answered }),
      closed: () => (counts.open -= 1),
    };
  };
  const server: HttpServer = createShadowServer({
    upstream,
    witness: {
      arrived: () => (judges ? ticket() : undefined),
      onPassed: () => (counts.passed += 1),
      onUnanswered: (why) => (counts[why] += 1),
    },
    tls: undefined,
    maxConnections: 100,
    mostJudgedBytes: 64 * 1024,
    log: NO_LOG,
  });
  const { port } = await server.listen('127.0.0.1', 0);
  closes.push(async () => {
    await server.close(0);
    await upstream.close();
  });
  return { port, judged, counts };
}

/** All that comes over a connection on which this was sent, until it ends or is enough. */
function exchange(port: number, sent: string | Buffer, until?: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(sent));
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
      if (until?.(text) === true) socket.destroy();
    });
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

const until = async (holds: () => boolean): Promise<void> => {
  const end = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

const headOf = (text: string): string[] => text.slice(0, text.indexOf(CRLF + CRLF)).split(CRLF);
const bodyOf = (text: string): string => text.slice(text.indexOf(CRLF + CRLF) + 4);
const whole = (request: string): boolean => {
  const length = /content-length: (\d+)/i.exec(request)?.[1];
  const end = request.indexOf(CRLF + CRLF);
  if (end < 0) return false;
  if (/transfer-encoding: chunked/i.test(request)) return request.endsWith(`0${CRLF}${CRLF}`);
  return length === undefined || request.length >= end + 4 + Number(length);
};
/** Answers each request that is whole. */
const answering =
  (raw: string | Buffer): Answer =>
  (request, socket) => {
    if (whole(request)) socket.end(raw);
  };

const OK = `HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}${CRLF}{}`;

describe.each([true, false])('judged: %s', (judges) => {
  it('a request arrives with its headers as they were, in their order and letters, but those of the connection', async () => {
    const { port, django, judged } = await world(answering(OK), judges);
    const body = randomBytes(300).toString('latin1');
    const lines = [
      'Host: app.example.org',
      'X-Odd-CASE: a  b',
      'cookie: one=1',
      'Cookie: two=2',
      'X-Twice: 1',
      'X-Twice: 2',
      'X-Name: J\xfcrgen',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'X-Hop: of this connection',
      'Connection: close, X-Hop',
      'Content-Type: application/x; y="z"',
      `Content-Length: ${body.length}`,
    ];
    await exchange(
      port,
      Buffer.from([`POST /a%20b/?q=%C3%BC&&x HTTP/1.1`, ...lines, '', body].join(CRLF), 'latin1'),
    );
    const [got = ''] = django.got;
    const [first, ...headers] = headOf(got);
    expect(first).toBe('POST /a%20b/?q=%C3%BC&&x HTTP/1.1');
    const theirs = headers.filter((line) => !/^connection:/i.test(line));
    expect(theirs.map((line) => line.replace(/^host/, 'Host')).sort()).toEqual(
      [
        ...lines.filter((line) => !/^(keep-alive|te|x-hop|connection|content-length)/i.test(line)),
        'X-Forwarded-For: 127.0.0.1',
        `content-length: ${body.length}`,
      ].sort(),
    );
    const named = theirs.filter((line) => /^(x-|cookie)/i.test(line));
    expect(named.slice(0, 6)).toEqual(lines.slice(1, 7));
    expect(bodyOf(got)).toBe(body);
    if (judges) expect(judged[0]?.asked.body.toString('latin1')).toBe(body);
  });

  it('whom it heard goes behind those whom others heard', async () => {
    const { port, django } = await world(answering(OK), judges);
    await exchange(
      port,
      ['GET / HTTP/1.1', 'Host: a', 'X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 192.0.2.2', 'Connection: close', '', ''].join(CRLF),
    ); // prettier-ignore
    expect(headOf(django.got[0]!)).toContain('X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1');
  });

  it('a chunked body stays chunked', async () => {
    const { port, django, judged } = await world(answering(OK), judges);
    const chunks = `3${CRLF}abc${CRLF}4${CRLF}defg${CRLF}0${CRLF}${CRLF}`;
    await exchange(
      port,
      ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Connection: close', '', chunks].join(
        CRLF,
      ),
    );
    const [got = ''] = django.got;
    expect(got.toLowerCase()).toContain('transfer-encoding: chunked');
    expect(got.toLowerCase()).not.toContain('content-length');
    expect(bodyOf(got).replaceAll(/[0-9a-f]+\r\n|\r\n/g, '')).toBe('abcdefg');
    if (judges) expect(judged[0]?.asked.body.toString()).toBe('abcdefg');
  });

  it('an answer leaves as it came: status text, order and letters of headers, each of several, and its bytes', async () => {
    const body = randomBytes(2_000);
    const headers = [
      'X-FRAME-options: DENY',
      'Set-Cookie: a=1; Path=/',
      'set-cookie: b=2; HttpOnly',
      'Vary: Accept',
      'Vary: origin',
      'X-Name: J\xfcrgen',
      `Content-Length: ${body.length}`,
    ];
    const raw = Buffer.concat([
      Buffer.from(['HTTP/1.1 203 Not Quite Mine', ...headers, 'Keep-Alive: timeout=9', 'Connection: close', '', ''].join(CRLF), 'latin1'),
      body,
    ]); // prettier-ignore
    const { port, judged } = await world(answering(raw), judges);
    const told = await exchange(port, ['GET / HTTP/1.1', 'Host: a', 'Connection: close', '', ''].join(CRLF));
    const [first, ...lines] = headOf(told);
    expect(first).toBe('HTTP/1.1 203 Not Quite Mine');
    expect(lines.filter((line) => !line.startsWith('Connection:'))).toEqual(headers);
    expect(bodyOf(told)).toBe(body.toString('latin1'));
    if (judges) expect(judged[0]?.answered.body?.equals(body)).toBe(true);
  });

  it('an answer without a length has none, and comes whole', async () => {
    const { port } = await world(
      answering(
        `HTTP/1.1 200 OK${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}5${CRLF}hello${CRLF}0${CRLF}${CRLF}`,
      ),
      judges,
    );
    const told = await exchange(port, ['GET / HTTP/1.0', 'Host: a', '', ''].join(CRLF));
    expect(bodyOf(told)).toBe('hello');
    expect(told.toLowerCase()).not.toContain('content-length');
  });

  it.each(['204 No Content', '304 Not Modified'])('%s has no body', async (status) => {
    const { port } = await world(answering(`HTTP/1.1 ${status}${CRLF}ETag: "x"${CRLF}${CRLF}`), judges);
    const told = await exchange(port, ['GET / HTTP/1.1', 'Host: a', 'Connection: close', '', ''].join(CRLF));
    expect(headOf(told).slice(0, 2)).toEqual([`HTTP/1.1 ${status}`, 'ETag: "x"']);
    expect(bodyOf(told)).toBe('');
  });

  it('HEAD is answered with the headers of GET, and no body', async () => {
    const { port } = await world(
      answering(`HTTP/1.1 200 OK${CRLF}Content-Length: 1234${CRLF}${CRLF}`),
      judges,
    );
    const told = await exchange(port, ['HEAD / HTTP/1.1', 'Host: a', 'Connection: close', '', ''].join(CRLF));
    expect(headOf(told)).toContain('Content-Length: 1234');
    expect(bodyOf(told)).toBe('');
  });

  it('bodies of 8 MB pass in both directions, and are not kept', async () => {
    const body = randomBytes(8 << 20);
    const hash = createHash('sha256').update(body).digest('hex');
    const { port, judged } = await world((request, socket) => {
      if (!whole(request)) return;
      const came = createHash('sha256')
        .update(Buffer.from(bodyOf(request), 'latin1'))
        .digest('hex');
      socket.write(
        `HTTP/1.1 200 OK${CRLF}X-Came: ${came}${CRLF}Content-Length: ${body.length}${CRLF}${CRLF}`,
      );
      socket.end(body);
    }, judges);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest({ port, method: 'PUT', path: '/big', headers: { 'content-length': body.length } }, resolve)
        .on('error', reject)
        .end(body);
    });
    const back = createHash('sha256');
    for await (const part of answer as AsyncIterable<Buffer>) back.update(part);
    expect([answer.headers['x-came'], back.digest('hex')]).toEqual([hash, hash]);
    expect(judged).toEqual([]);
  });

  it('requests over one connection are answered in turn', async () => {
    const { port, django, counts } = await world((request, socket) => {
      const n = request.split('GET ').length - 1;
      socket.write(`HTTP/1.1 200 OK${CRLF}Content-Length: 1${CRLF}${CRLF}${n}`);
    }, judges);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    closes.push(() => agent.destroy());
    for (let n = 1; n <= 3; n++) {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        httpRequest({ port, agent, path: `/${n}` }, resolve)
          .on('error', reject)
          .end();
      });
      let text = '';
      for await (const part of answer) text += String(part);
      expect(text).toBe(String(n));
    }
    expect(django.sockets).toHaveLength(1);
    await until(() => counts.open === 0);
    expect(counts.passed).toBe(3);
  });

  it('who waits for 100 Continue is told to go on', async () => {
    const { port, django } = await world(answering(OK), judges);
    const socket = connect(port, '127.0.0.1');
    let told = '';
    socket.setEncoding('latin1').on('data', (part: string) => (told += part));
    socket.write(['POST / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 4', 'Connection: close', '', ''].join(CRLF)); // prettier-ignore
    await until(() => told.includes('100 Continue'));
    socket.write('body');
    await once(socket, 'close');
    expect(bodyOf(django.got[0]!)).toBe('body');
    expect(told).toContain('200 OK');
  });

  it('an upgrade is asked of nobody: the request goes as any other', async () => {
    const { port, django } = await world(answering(OK), judges);
    const told = await exchange(
      port,
      ['GET /ws HTTP/1.1', 'Host: a', 'Upgrade: websocket', 'Connection: Upgrade', '', ''].join(CRLF),
      (text) => text.endsWith('{}'),
    );
    expect(headOf(told)[0]).toBe('HTTP/1.1 200 OK');
    expect(django.got[0]!.toLowerCase()).not.toContain('upgrade');
  });

  it('where nobody listens the answer is 502, as JSON', async () => {
    const { django } = await world(answering(OK), judges);
    django.close();
    const { port, counts } = await shadowOf(django.port, judges);
    const answer = await fetch(`http://127.0.0.1:${port}/x/`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(502);
    expect(await answer.json()).toEqual({
      detail: 'The application behind this server gave no answer.',
      error: 'The application behind this server gave no answer.',
    });
    expect(counts.upstream).toBe(1);
    await until(() => counts.open === 0);
  });

  it('a connection that Django closes unanswered is a 502, and the request is not sent again', async () => {
    const { port, django } = await world((_, socket) => socket.destroy(), judges);
    const answer = await fetch(`http://127.0.0.1:${port}/x/`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(502);
    await answer.text();
    expect(django.got).toHaveLength(1);
  });

  it('half an answer is never taken for a whole one', async () => {
    const { port, counts } = await world((request, socket) => {
      if (whole(request)) socket.end(`HTTP/1.1 200 OK${CRLF}Content-Length: 100${CRLF}${CRLF}half`);
    }, judges);
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    await expect(answer.text()).rejects.toThrow();
    await until(() => counts.upstream === 1);
  });

  it('a client that goes away ends its request at Django', async () => {
    const { port, django, counts } = await world(() => undefined, judges);
    const socket = connect(port, '127.0.0.1');
    socket.write(['GET / HTTP/1.1', 'Host: a', '', ''].join(CRLF));
    await until(() => django.sockets.length === 1 && django.got[0] !== '');
    const closed = once(django.sockets[0]!, 'close');
    // A connection that is only closed may still be read from at the other end.
    socket.resetAndDestroy();
    await closed;
    await until(() => counts.client === 1 && counts.open === 0);
  });
});
