import { Agent, request } from 'node:http';
import { judge } from '../support/openapi.js';

/** A request as it goes over the wire: no header is added but Host and Content-Length. */
export interface Message {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, else the text. */
  readonly body: unknown;
}

/** Our servers, without a slash at the end; Django's answers are documented elsewhere. */
const ours = new Set<string>();

/** From now on an answer of this server that docs/openapi.yaml hasn't rejects. */
export function holdToDocument(url: string): void {
  ours.add(url);
}

function faultsOf(url: string, method: string, path: string, reply: Reply, text: string): readonly string[] {
  if (!ours.has(url)) return [];
  const headers = new Map(
    Object.entries(reply.headers).map(([name, value]) => [name, [value].flat().join('\n')]),
  );
  const [plain = ''] = path.split('?', 1);
  const below = /^\/account\/token(\/.*)$/.exec(plain)?.[1] ?? `outside:${plain}`;
  return judge({ port: 'public', method, path: below }, { status: reply.status, headers, body: text }).faults;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** `fetch` would choose a content type, refuse a GET with a body and normalise methods: too helpful here. */
export function send(url: string, message: Message): Promise<Reply> {
  const { method = 'POST', path, headers = {}, body } = message;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url + path,
      {
        agent,
        method,
        headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => {
          const reply = { status: response.statusCode!, headers: response.headers, body: parsed(text) };
          const faults = faultsOf(url, method, path, reply, text);
          if (faults.length === 0) resolve(reply);
          else reject(new Error(`docs/openapi.yaml has it otherwise:\n${faults.join('\n')}`));
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export function json(path: string, value: unknown): Message {
  return { path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
