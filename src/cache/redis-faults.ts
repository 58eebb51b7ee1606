import type { RedisKeys } from './partition.js';
import { placeOf, type RedisAddress } from '../redis-address.js';
import { failureOf, innermost } from './redis-failure.js';

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

export interface Asked {
  readonly address: RedisAddress;
  readonly keys: RedisKeys;
}

const LOGIN_REFUSED =
  /^(?:WRONGPASS|NOAUTH|ERR AUTH|ERR invalid password|ERR wrong number of arguments for 'auth')/;

/** So Redis 6.2, 7.0 and 7.2 say that a right is missing, also inside of a script. */
const DENIED = /NOPERM|can't run this command|can't access at least one of the keys|ACL failure in script/;
const KEY_DENIED = /access (?:one|at least one) of the keys|to access the '.*' key/;

/** It refused for want of a right. */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && DENIED.test(error.message);
}

/** What the client met on its own way to being ready: a wrong password, a certificate that isn't trusted, no right to INFO. */
export function refusedByItself(error: Error, asked: Asked): RedisFault | undefined {
  const cause = innermost(error);
  if (cause instanceof Error && cause.name === 'ReplyError') {
    if (LOGIN_REFUSED.test(cause.message)) return refused('AUTH', cause.message, asked);
    if (cause.message.startsWith('NOPERM')) {
      return refused(asked.address.kind === 'cluster' ? 'CLUSTER SLOTS' : 'INFO', cause.message, asked);
    }
    return /cluster support disabled/.test(cause.message) ? wrongKind('single', asked.address) : undefined;
  }
  const failure = failureOf(error, asked.address);
  return failure?.lasting === true ? unfit(failure.why, asked.address) : undefined;
}

/** It is reached, and will go on not being what --redis-url says. */
export function unfit(why: string, address: RedisAddress): RedisFault {
  return {
    code: 'REDIS_SETUP',
    message: `The Redis of --redis-url at ${placeOf(address)} can't be worked with: ${why}. So nothing is sent to it.`,
  };
}

const KINDS = {
  sentinel: 'it is a sentinel: write redis+sentinel://host1,host2/master-name',
  cluster: 'it is a node of a cluster: write redis+cluster://host1,host2',
  single: 'it is no cluster: write redis:// instead of redis+cluster://',
} as const;

/** It is of another kind than the URL says. */
export function wrongKind(kind: keyof typeof KINDS, address: RedisAddress): RedisFault {
  return unfit(KINDS[kind], address);
}

/** It refused a step of what every connection needs. */
export function refused(step: string, answer: string, asked: Asked): RedisFault {
  return {
    code: 'REDIS_SETUP',
    message: `Redis refuses ${step}: ${answer.slice(0, 200).replace(/[.?]$/, '')}. So nothing is sent to it. ${whatToDo(step, answer, asked)}`,
  };
}

function whatToDo(step: string, answer: string, { address, keys }: Asked): string {
  if (/without any password configured/.test(answer))
    return 'This Redis asks for no password: take it out of --redis-url.';
  if (step === 'AUTH') {
    return address.password === undefined
      ? 'It asks for a password: write redis://:password@host, or redis://user:password@host.'
      : 'Correct the user and the password in --redis-url.';
  }
  if (/not allowed in cluster mode/.test(answer))
    return 'It is a node of a cluster, which has only database 0: write redis+cluster://host1,host2.';
  if (/unknown command/i.test(answer) && step.startsWith('SELECT'))
    return 'Is that a sentinel? Then write redis+sentinel://host1,host2/master-name.';
  if (step.startsWith('SELECT') && !DENIED.test(answer))
    return 'Give --redis-url the number of a database that exists, or raise `databases` in redis.conf.';
  const user = address.username ?? 'default';
  const all =
    `\`ACL SETUSER ${user} ~${keys.pattern} +@read +@write +@scripting ` + '+@connection +info +time`';
  if (!DENIED.test(answer))
    return `Give the user of --redis-url its rights: ${all}. Redis has to be 6.2 or newer.`;
  const missing = KEY_DENIED.test(answer) ? `~${keys.pattern}` : grantOf(step, answer);
  return `The user ${user} lacks a right. Grant it: \`ACL SETUSER ${user} ${missing}\`; all that is needed is ${all}.`;
}

/** The probe names the command of its script that was refused; of other steps it is the step. */
function grantOf(step: string, answer: string): string {
  const command = /^([A-Z]+): /.exec(answer)?.[1] ?? /run the '([\w|-]+)' command/.exec(answer)?.[1] ?? step;
  return `+${command.toLowerCase().replace(' ', '|').split('|', 1)[0] ?? ''}`;
}

/** What is told of a Redis whose keys are another system's. */
export function ownedBy(found: string, owner: string, keys: RedisKeys): RedisFault {
  return {
    code: 'REDIS_OWNED',
    message:
      `The Redis of --redis-url belongs to another system: its key ${keys.owner} says ${found}, and the database ` +
      `of --database-url is ${owner} (the table identity of its own schema). Two systems in one Redis write each other's rotations into the ` +
      'wrong tables. Give this one another database number in --redis-url, or a --redis-prefix of its own. Where it is ' +
      `the same system all the same, and its identity was made anew, stop all its servers and run \`redis-cli DEL ${keys.owner}\`.`,
  };
}
