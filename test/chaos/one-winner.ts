import { setTimeout as sleep } from 'node:timers/promises';
import {
  createSimplejwtTables,
  createUsers,
  type FreshDatabase,
  freshDatabase,
} from '../support/postgres.js';
import { type Fleet, readFinalRows, sendRefresh, startFleet } from '../support/fleet.js';
import { startRedis, until } from '../support/redis.js';
import { issueTokens, type MintedToken } from '../support/tokens.js';
import type { Attempt, History } from './history.js';
import { successorOf } from './history-index.js';
import { migrate } from './migrate.js';

export const SERVERS = 4;
export const CLIENTS = 32;

/** Several servers on one database, and tokens to fight over. */
export interface Arena {
  readonly database: FreshDatabase;
  readonly fleet: Fleet;
  close(): Promise<void>;
}

/** @param claimsInRedis with a Redis of the arena's own, and `--blacklist async` */
export async function openArena(args: readonly string[], claimsInRedis = false): Promise<Arena> {
  const database = await freshDatabase();
  await createSimplejwtTables(database.url);
  await migrate(database.url);
  const redis = claimsInRedis ? await startRedis() : undefined;
  const shared =
    redis === undefined ? [] : ['--blacklist', 'async', '--redis-url', `redis://127.0.0.1:${redis.port}`];
  const fleet = await startFleet(SERVERS, { databaseUrl: database.url, args: [...args, ...shared] });
  // They believe what was made a second after their start.
  if (claimsInRedis) await sleep(1_500);
  const close = async () => {
    try {
      await fleet.stop();
    } finally {
      await redis?.stop();
      await database.drop();
    }
  };
  return { database, fleet, close };
}

/**
 * Rounds of simultaneous refreshes of one token, spread over all servers. Every other round goes on with the
 * successor of the round before, which some servers know from handing it out; the rest begin with a token that
 * no server has seen, and whose row all of them have to find.
 */
export async function fight({ database, fleet }: Arena, rounds: number): Promise<Attempt[][]> {
  const users = await createUsers(database.url, Math.ceil(rounds / 2));
  const logins = await issueTokens(database.url, users);
  const results: Attempt[][] = [];
  let token = '';
  for (let round = 0; round < rounds; round++) {
    const login = logins[Math.floor(round / 2)]!;
    if (round % 2 === 0) token = login.token;
    const answers = await fightOnce(fleet, login, token, round * CLIENTS);
    results.push(answers);
    token = answers.find(({ status }) => status === 200)?.pair?.refresh ?? token;
  }
  return results;
}

function fightOnce(
  fleet: Fleet,
  { userId }: MintedToken,
  token: string,
  firstId: number,
): Promise<Attempt[]> {
  const urls = fleet.urls();
  const clients = Array.from({ length: CLIENTS }, (_, client) => client);
  return Promise.all(
    clients.map((client) =>
      sendRefresh(urls[client % urls.length]!, String(userId), token, firstId + client),
    ),
  );
}

/** The statuses of one round, sorted: `200 x1, 429 x31`. */
export function tally(answers: readonly Attempt[]): string {
  const counts = new Map<string, number>();
  for (const { status } of answers) counts.set(String(status), (counts.get(String(status)) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([status, count]) => `${status} x${count}`)
    .join(', ');
}

export function winners(answers: readonly Attempt[]): Attempt[] {
  return answers.filter(({ status }) => status === 200);
}

export function distinctSuccessors(answers: readonly Attempt[]): number {
  return new Set(winners(answers).map(successorOf)).size;
}

/** The whole fight as a history, once all servers owe nothing. */
export async function historyOf({ database, fleet }: Arena, rounds: readonly Attempt[][]): Promise<History> {
  for (const { adminUrl } of fleet.servers) {
    await until(async () => {
      const { outbox } = (await (await fetch(`${adminUrl}/kpis`)).json()) as { outbox: { depth: number } };
      return outbox.depth === 0;
    });
  }
  const roots = new Map<string, string>();
  for (const [first] of rounds)
    if (first !== undefined && !roots.has(first.family)) roots.set(first.family, first.jti);
  return { roots, attempts: rounds.flat(), rows: await readFinalRows(database.url) };
}
