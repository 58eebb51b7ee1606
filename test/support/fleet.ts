import { Agent, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt, FinalRows, TokenPair } from '../chaos/history.js';
import { query } from './postgres.js';
import { type ServerOptions, startServer, type TestServer } from './server.js';
import { decodeToken, type MintedToken } from './tokens.js';

export interface Fleet {
  /** In the order of their start; a dead one keeps its place until it is replaced. */
  readonly servers: readonly TestServer[];
  /** Where clients send to now. A dead server's address stays among them, as it would behind a slow balancer. */
  urls(): string[];
  /** Ends one server, with SIGKILL unless another signal is given, and starts another in its place. */
  replace(index: number, signal?: NodeJS.Signals): Promise<void>;
  /** What each server said, the replaced ones too. */
  outputs(): string[];
  /** Throws where a server has ended that nobody ended, with what it said. */
  assertAlive(): void;
  /** Stops them all in order; throws where one does not end with 0, or had ended before. */
  stop(): Promise<void>;
}

/** Starts that many real servers with the same options, or with those of its number. */
export async function startFleet(
  size: number,
  options: ServerOptions | ((index: number) => ServerOptions),
): Promise<Fleet> {
  const optionsOf = typeof options === 'function' ? options : () => options;
  const started = await Promise.allSettled(
    Array.from({ length: size }, (_, index) => startServer(optionsOf(index))),
  );
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = started.find((result) => result.status === 'rejected');
  if (failure !== undefined) {
    await Promise.all(servers.map((server) => server.stop()));
    throw failure.reason;
  }
  const deaths: string[] = [];
  const expected = new Set<TestServer>();
  const all: TestServer[] = [];
  const watch = (server: TestServer) => {
    all.push(server);
    void server.exited.then(() => {
      if (!expected.has(server)) deaths.push(`Server ${server.pid} ended by itself:\n${server.output()}`);
    });
  };
  servers.forEach(watch);
  const assertAlive = () => {
    if (deaths.length > 0) throw new Error(deaths.join('\n'));
  };
  return {
    servers,
    urls: () => servers.map(({ url }) => url),
    outputs: () => all.map((server) => server.output()),
    replace: async (index, signal = 'SIGKILL') => {
      const victim = servers[index]!;
      expected.add(victim);
      victim.kill(signal);
      await victim.exited;
      servers[index] = await startServer(optionsOf(index));
      watch(servers[index]);
    },
    assertAlive,
    stop: async () => {
      for (const server of servers) expected.add(server);
      await Promise.all(servers.map((server) => server.stop()));
      for (const server of servers) {
        const { code, signal } = await server.exited;
        if (code !== 0)
          deaths.push(`Server ${server.pid} ended with ${String(signal ?? code)}:\n${server.output()}`);
      }
      assertAlive();
    },
  };
}

/** Only a bound against hanging: the server itself gives up a request after 5 s. */
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Refreshes once and records what came of it. Never rejects: whatever keeps an answer from coming in whole is
 * `none`, for all a client can know is that it has none.
 */
export async function sendRefresh(
  serverUrl: string,
  family: string,
  token: string,
  requestId: number,
  agent?: Agent,
): Promise<Attempt> {
  const jti = String(decodeToken(token).claims['jti']);
  const sentAtMs = Date.now();
  const { status, body } = await post(
    new URL('/account/token/refresh/', serverUrl),
    { refresh: token },
    agent,
  );
  const attempt = { family, requestId, jti, sentAtMs, endedAtMs: Date.now(), status };
  const pair = status === 200 ? readPair(body) : undefined;
  return pair === undefined ? attempt : { ...attempt, pair };
}

function post(url: URL, body: unknown, agent?: Agent): Promise<{ status: Attempt['status']; body: string }> {
  return new Promise((resolve) => {
    const none = () => resolve({ status: 'none', body: '' });
    const sent = (url.protocol === 'https:' ? secureRequest : request)(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      timeout: REQUEST_TIMEOUT_MS,
      ...(agent && { agent }),
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', none);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, body: Buffer.concat(chunks).toString() }));
      answer.on('error', none);
    });
    sent.end(JSON.stringify(body));
  });
}

function readPair(body: string): TokenPair | undefined {
  try {
    const { access, refresh } = JSON.parse(body) as Partial<TokenPair>;
    return typeof access === 'string' && typeof refresh === 'string' ? { access, refresh } : undefined;
  } catch {
    return undefined;
  }
}

export interface LoadOptions {
  /** One virtual user each. */
  readonly logins: readonly MintedToken[];
  /** Asked before every request. */
  readonly urls: () => readonly string[];
  /** The share of refreshes that are sent twice at once, as two tabs would: 0 to 1. */
  readonly twins: number;
  /** Between two refreshes of a user, and before a repeat, at most. */
  readonly pauseMs?: number;
  /** How long a user repeats a token that is answered neither 200 nor 401. */
  readonly patienceMs?: number;
  readonly random?: () => number;
  /** For TLS: what it trusts. Its connections are kept. */
  readonly agent?: Agent;
}

export interface Load {
  /** Grows while the load runs. */
  readonly attempts: readonly Attempt[];
  /** When each request was sent that has no answer yet, ms since 1970. */
  pending(): number[];
  /** Lets every user come to an end: until it has a 200 or a 401 for the token it holds. */
  stop(): Promise<void>;
}

/** Short, since the time between is not what is tested. */
const PAUSE_MS = 30;
/** A user that has got neither 200 nor 401 by then never will; that is for the history to say. */
const PATIENCE_MS = 60_000;

/** Starts users that refresh all the time, each on with the successor it was handed, and repeat what is unclear. */
export function startLoad(options: LoadOptions): Load {
  const { logins, urls, twins, pauseMs = PAUSE_MS, patienceMs = PATIENCE_MS, random = Math.random } = options;
  const attempts: Attempt[] = [];
  const agent = options.agent ?? new Agent({ keepAlive: true });
  const pending = new Map<number, number>();
  let stopping = false;
  let requests = 0;

  const send = async (family: string, token: string): Promise<Attempt> => {
    const targets = urls();
    const target = targets[Math.floor(random() * targets.length)]!;
    const id = requests++;
    pending.set(id, Date.now());
    const attempt = await sendRefresh(target, family, token, id, agent);
    pending.delete(id);
    attempts.push(attempt);
    return attempt;
  };

  const live = async ({ userId, token: login }: MintedToken): Promise<void> => {
    let token = login;
    let settledAtMs = Date.now();
    let settled = true;
    while (!(stopping && settled)) {
      const copies = random() < twins ? 2 : 1;
      const answers = await Promise.all(Array.from({ length: copies }, () => send(String(userId), token)));
      const granted = answers.find(({ status }) => status === 200);
      settled = granted?.pair !== undefined;
      if (granted?.pair !== undefined) {
        token = granted.pair.refresh;
        settledAtMs = Date.now();
      } else if (answers.some(({ status }) => status === 401 || status === 200)) {
        return; // Logged out for good, or handed something that is no pair.
      } else if (Date.now() > settledAtMs + patienceMs) {
        return;
      }
      await sleep(random() * pauseMs);
    }
  };

  const users = Promise.all(logins.map(live));
  return {
    attempts,
    pending: () => [...pending.values()],
    stop: async () => {
      stopping = true;
      await users;
      agent.destroy();
    },
  };
}

/** All rows, times to the microsecond. A family is known by its user. */
export async function readFinalRows(databaseUrl: string): Promise<FinalRows> {
  const [outstanding, blacklisted] = await Promise.all([
    query<{ id: string; family: string; jti: string; token: string; us: string }>(
      databaseUrl,
      `SELECT id::text AS id, user_id::text AS family, jti, token,
              (extract(epoch FROM created_at) * 1000000)::bigint::text AS us
         FROM token_blacklist_outstandingtoken ORDER BY id`,
    ),
    query<{ token_id: string; us: string }>(
      databaseUrl,
      `SELECT token_id::text AS token_id, (extract(epoch FROM blacklisted_at) * 1000000)::bigint::text AS us
         FROM token_blacklist_blacklistedtoken ORDER BY id`,
    ),
  ]);
  return {
    outstanding: outstanding.map(({ us, ...row }) => ({ ...row, createdAtUs: BigInt(us) })),
    blacklisted: blacklisted.map(({ token_id, us }) => ({ tokenId: token_id, blacklistedAtUs: BigInt(us) })),
  };
}
