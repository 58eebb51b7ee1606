import { createHash } from 'node:crypto';
import { Cluster, type Redis } from './ioredis.js';
import type { RedisKeys } from './partition.js';
import type { RedisAddress } from '../redis-address.js';
import { ownedBy, refused, wrongKind, type RedisFault, type RedisObstacle } from './redis-faults.js';
import { OWN_LUA, PROBE_LUA } from './scripts.js';

export interface SetUpOptions {
  readonly client: Redis | Cluster;
  readonly address: RedisAddress;
  readonly keys: RedisKeys;
  readonly timeoutMs: number;
}

/** What a Redis says that can't at the moment; all else that it refuses in the set-up it will refuse for good. */
const FOR_A_WHILE =
  /\b(?:LOADING|BUSY|OOM|READONLY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|MOVED|ASK|NOSCRIPT)\b|max number of clients/;

const PROBE_SHA = createHash('sha1').update(PROBE_LUA).digest('hex');

/**
 * Does what a connection needs before anything is sent by it, each step before the next: what comes after a refused
 * SELECT would be done in another's database. The client does the same by itself, and goes on whatever is answered.
 */
export async function setUp(options: SetUpOptions): Promise<RedisFault | RedisObstacle | undefined> {
  const { client, address, keys, timeoutMs } = options;
  const { username, password, database } = address;
  const alone = client instanceof Cluster ? undefined : client;
  const login = [...(username === undefined ? [] : [username]), password ?? ''];
  const probed = [keys.of(0, 'lock', 'probe'), keys.of(0, 'lock', 'probe_stream')] as const;
  let info = '';
  const steps: readonly (readonly [string, (() => Promise<unknown>) | undefined])[] = [
    ['AUTH', password === undefined ? undefined : alone && (() => alone.call('AUTH', ...login))],
    [`SELECT ${database}`, database === 0 ? undefined : alone && (() => alone.call('SELECT', database))],
    ['CLIENT SETNAME', () => client.call('CLIENT', 'SETNAME', 'carelink-tokens')],
    ['INFO', async () => (info = await client.info('server'))],
    ['what its scripts need', () => client.eval(PROBE_LUA, 2, ...probed)],
    ['EVALSHA', () => client.evalsha(PROBE_SHA, 2, ...probed)],
  ];
  for (const [step, send] of steps) {
    const refusal = send && (await refusalOf(send, timeoutMs));
    if (refusal === undefined) {
      const wrong = step === 'INFO' && alone ? await kindOf(options, alone, info) : undefined;
      if (wrong !== undefined) return wrong;
      continue;
    }
    return 'obstacle' in refusal ? refusal.obstacle : refused(step, refusal.answer, options);
  }
  return undefined;
}

/** A sentinel, or one of several nodes of a cluster, lets a client in and then refuses what it asks for. */
async function kindOf(
  { address, timeoutMs }: SetUpOptions,
  client: Redis,
  info: string,
): Promise<RedisFault | undefined> {
  const mode = /^redis_mode:(\w+)/m.exec(info)?.[1];
  if (mode === 'sentinel') return wrongKind('sentinel', address);
  if (mode !== 'cluster' || address.kind !== 'single') return undefined;
  let cluster = '';
  await refusalOf(async () => (cluster = String(await client.call('CLUSTER', 'INFO'))), timeoutMs);
  // One that has all slots for itself takes everything.
  return /^cluster_size:(?![01]\r?$)/m.test(cluster) ? wrongKind('cluster', address) : undefined;
}

/** Whether the keys are the owner's; where they are nobody's, they are from now on. */
export async function own(
  options: SetUpOptions,
  owner: string,
): Promise<RedisFault | RedisObstacle | undefined> {
  const { client, keys, timeoutMs } = options;
  let found: unknown;
  const refusal = await refusalOf(async () => {
    found = await client.eval(OWN_LUA, 1, keys.owner, owner);
  }, timeoutMs);
  if (refusal !== undefined) {
    return 'obstacle' in refusal ? refusal.obstacle : refused('GET and SET', refusal.answer, options);
  }
  return found === owner ? undefined : ownedBy(String(found), owner, keys);
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
