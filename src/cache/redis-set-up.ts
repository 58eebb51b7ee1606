import { Cluster, type Redis } from 'ioredis';
import type { RedisKeys } from './partition.js';
import type { RedisAddress } from './redis-address.js';
import { OWN_LUA, PROBE_LUA } from './scripts.js';

/** Why a Redis that answers must not be worked with. */
export interface RedisFault {
  readonly code: 'REDIS_SETUP' | 'REDIS_OWNED';
  /** What happened, what it means, what to do. Holds no password. */
  readonly message: string;
}

/** It answers, and can't at the moment: it is starting, a replica, or has no memory left. */
export interface RedisObstacle {
  readonly code: 'NOT_NOW';
  /** What is so, and what to do. */
  readonly message: string;
}

export interface SetUpOptions {
  readonly client: Redis | Cluster;
  readonly address: RedisAddress;
  readonly keys: RedisKeys;
  readonly timeoutMs: number;
}

/** What a Redis says that can't at the moment; all else that it refuses in the set-up it will refuse for good. */
const FOR_A_WHILE =
  /\b(?:LOADING|BUSY|OOM|READONLY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|MOVED|ASK)\b|max number of clients/;

const LOGIN_REFUSED = /^(?:WRONGPASS|NOAUTH|ERR AUTH|ERR invalid password)/;

/**
 * Does what a connection needs before anything is sent by it, each step before the next: what comes after a refused
 * SELECT would be done in another's database. The client does the same by itself, and goes on whatever is answered.
 */
export async function setUp({
  client,
  address,
  keys,
  timeoutMs,
}: SetUpOptions): Promise<RedisFault | RedisObstacle | undefined> {
  const { username, password, database } = address;
  const alone = client instanceof Cluster ? undefined : client;
  const login = [...(username === undefined ? [] : [username]), password ?? ''];
  const steps: readonly (readonly [string, (() => Promise<unknown>) | undefined])[] = [
    ['AUTH', password === undefined ? undefined : alone && (() => alone.call('AUTH', ...login))],
    [`SELECT ${database}`, database === 0 ? undefined : alone && (() => alone.call('SELECT', database))],
    ['CLIENT SETNAME', () => client.call('CLIENT', 'SETNAME', 'carelink-tokens')],
    ['INFO', () => client.info('memory')],
    [
      'what its scripts need',
      () => client.eval(PROBE_LUA, 2, keys.of(0, 'lock', 'probe'), keys.of(0, 'lock', 'probe_stream')),
    ],
  ];
  for (const [step, send] of steps) {
    const refusal = send && (await refusalOf(send, timeoutMs));
    if (refusal !== undefined)
      return 'obstacle' in refusal ? refusal.obstacle : refused(step, refusal.answer, keys);
  }
  return undefined;
}

/** Whether the keys are the owner's; where they are nobody's, they are from now on. */
export async function own(
  { client, keys, timeoutMs }: SetUpOptions,
  owner: string,
): Promise<RedisFault | RedisObstacle | undefined> {
  let found: unknown;
  const refusal = await refusalOf(async () => {
    found = await client.eval(OWN_LUA, 1, keys.owner, owner);
  }, timeoutMs);
  if (refusal !== undefined) {
    return 'obstacle' in refusal ? refusal.obstacle : refused('GET and SET', refusal.answer, keys);
  }
  return found === owner ? undefined : ownedBy(String(found), owner, keys);
}

/** What is told of a Redis whose keys are another system's. */
export function ownedBy(found: string, owner: string, keys: RedisKeys): RedisFault {
  return {
    code: 'REDIS_OWNED',
    message:
      `The Redis of --redis-url belongs to another system: its key ${keys.owner} says ${found}, and the database ` +
      `of --database-url is ${owner} (carelink.identity). Two systems in one Redis write each other's rotations into the ` +
      'wrong tables. Give this one another database number in --redis-url, or a --redis-prefix of its own. Where it is ' +
      `the same system all the same, and its identity was made anew, stop all its servers and run \`redis-cli DEL ${keys.owner}\`.`,
  };
}

/** What the client met on its own way to being ready: a wrong password, no right to ask for INFO. */
export function refusedByItself(error: Error, keys: RedisKeys): RedisFault | undefined {
  if (error.name !== 'ReplyError') return undefined;
  if (LOGIN_REFUSED.test(error.message)) return refused('AUTH', error.message, keys);
  return error.message.startsWith('NOPERM') ? refused('INFO', error.message, keys) : undefined;
}

function refused(step: string, answer: string, keys: RedisKeys): RedisFault {
  return {
    code: 'REDIS_SETUP',
    message: `Redis refuses ${step}: ${answer.slice(0, 200).replace(/[.?]$/, '')}. So nothing is sent to it. ${whatToDo(step, answer, keys)}`,
  };
}

function whatToDo(step: string, answer: string, keys: RedisKeys): string {
  if (/without any password configured/.test(answer))
    return 'This Redis asks for no password: take it out of --redis-url.';
  if (step === 'AUTH') return 'Correct the user and the password in --redis-url.';
  if (step.startsWith('SELECT'))
    return 'Give --redis-url the number of a database that exists, or raise `databases` in redis.conf.';
  return (
    `Give the user of --redis-url its rights: \`ACL SETUSER name ~${keys.pattern} +@read +@write +@scripting ` +
    '+@connection +info +time`. Redis has to be 6.2 or newer.'
  );
}

/** What it answered, if that is a refusal for good. */
async function refusalOf(
  send: () => Promise<unknown>,
  timeoutMs: number,
): Promise<{ readonly answer: string } | { readonly obstacle: RedisObstacle } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), timeoutMs);
  });
  try {
    await Promise.race([send(), late]);
    return undefined;
  } catch (error) {
    const answer = error instanceof Error && error.name === 'ReplyError' ? error.message : undefined;
    if (answer !== undefined && !FOR_A_WHILE.test(answer)) return { answer };
    return { obstacle: { code: 'NOT_NOW', message: whyNotNow(answer) } };
  } finally {
    clearTimeout(timer);
  }
}

function whyNotNow(answer: string | undefined): string {
  if (answer === undefined) return 'it takes connections and does not answer';
  if (/\bREADONLY\b/.test(answer))
    return 'it is a replica, which takes no writes: give --redis-url of the primary, or redis+sentinel://';
  if (/\bOOM\b/.test(answer))
    return 'its memory is full (maxmemory): give it more, or look for what fills it (`redis-cli --bigkeys`)';
  if (/\bMISCONF\b/.test(answer))
    return 'it takes no writes while it cannot save to its disk (MISCONF): see its log';
  return `it answers ${answer.slice(0, 100)}`;
}
