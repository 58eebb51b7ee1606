import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { GRACE_MS } from './kill.js';
import { tell } from './outages.js';
import { openTheatre, SERVERS, type Theatre, USERS, written } from './theatre.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

/** Only a bound against waiting for ever. */
const PATIENCE_MS = 60_000;

interface Refusal {
  readonly title: string;
  readonly begin: string;
  readonly mend: string;
}

const setTo = (table: string, to: string) =>
  `SELECT setval(pg_get_serial_sequence('${table}', 'id'), greatest(1, (SELECT ${to} FROM ${table})));`;

/** What an operator does to a database by mistake, and how it is mended. */
const REFUSALS: readonly Refusal[] = [
  {
    title: 'sequences set back by a restore',
    // It goes round over ids that are taken: as one that is further behind than can be tried.
    begin: `
      ALTER SEQUENCE ${OUTSTANDING}_id_seq MAXVALUE ${USERS} CYCLE RESTART 1;
      ${setTo(BLACKLISTED, 'min(id)')}`,
    mend: `
      ALTER SEQUENCE ${OUTSTANDING}_id_seq NO MAXVALUE NO CYCLE;
      ${setTo(OUTSTANDING, 'max(id)')} ${setTo(BLACKLISTED, 'max(id)')}`,
  },
  {
    title: 'a trigger that refuses all',
    begin: `
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON ${BLACKLISTED} FOR EACH ROW EXECUTE FUNCTION refuse()`,
    mend: 'DROP FUNCTION refuse CASCADE',
  },
  {
    title: 'a constraint that refuses half of the users',
    begin: `ALTER TABLE ${OUTSTANDING} ADD CONSTRAINT never CHECK (user_id % 2 = 0) NOT VALID`,
    mend: `ALTER TABLE ${OUTSTANDING} DROP CONSTRAINT never`,
  },
];

/** @param meddle what else is done while rows are refused and letters kept */
export function describeRefusals(
  times: number,
  meddle?: (theatre: Theatre, n: number) => Promise<void>,
): void {
  describe.skipIf(services().postgres === undefined || services().redis === undefined)(
    `${SERVERS} servers that claim in one Redis, whose database refuses rows under load`,
    () => {
      // A constraint is met as a trigger is: the long run is enough for it.
      const refusals = times > 1 ? REFUSALS : REFUSALS.slice(0, 2);
      it(`${refusals.map(({ title }) => title).join('; ')}, ${times} times: every answered rotation has its rows in the end`, async () => {
        const theatre = await openTheatre({ redis: 'single' });
        onTestFinished(() => theatre.close());
        await granted(theatre, 200);
        const wanted = times * refusals.length;
        let kept = 0;
        for (let n = 0; kept < wanted && n < 3 * wanted; n++) {
          const { begin, mend } = refusals[n % refusals.length]!;
          await claimedInRedis(theatre, 20);
          const fromMs = Date.now();
          await query(theatre.databaseUrl, begin);
          if (await keptLetters(theatre, 20)) {
            kept++;
            // What the alert DEAD_LETTERS goes by. Each server looks once a second.
            await waitFor(theatre.fleet, () => lettersTold(theatre));
            await meddle?.(theatre, n);
          }
          await query(theatre.databaseUrl, mend);
          theatre.outages.push({ fromMs, untilMs: Date.now() });
          await noLetters(theatre);
          await granted(theatre, 100);
        }
        expect(kept).toBe(wanted);
        const end = await theatre.end();
        const told = tell(end, theatre.outages);
        console.log(`refused rows: ${JSON.stringify(told)}`);
        const lateDoubles = meddle !== undefined || told.redisLost > 0;
        const violations = checkHistory(end.history, { graceMs: GRACE_MS, lateDoubles });
        expect(violations.map(describeViolation)).toEqual([]);
        expect(told.doublesFound).toBeGreaterThanOrEqual(told.doubles);
      });
    },
  );
}

/** So many more claims are taken in Redis, and written behind. */
async function claimedInRedis({ fleet }: Theatre, more: number): Promise<void> {
  const count = async () =>
    (await Promise.all(fleet.servers.map(({ adminUrl }) => written(adminUrl)))).reduce((a, b) => a + b);
  const before = await count();
  await waitFor(fleet, async () => (await count()) >= before + more);
}

/**
 * So many, or as many as there are after a while. False: the servers have taken Redis for dead, as on a busy machine, and
 * know no token in it any more: all are claimed in the database then, which refuses them, and no letter will ever come.
 */
async function keptLetters({ databaseUrl, fleet }: Theatre, wanted: number): Promise<boolean> {
  const enoughMs = Date.now() + 10_000;
  let count = 0;
  await waitFor(fleet, async () => {
    count = await letters(databaseUrl);
    return count >= wanted || Date.now() > enoughMs;
  });
  return count > 0;
}

async function lettersTold({ fleet }: Theatre): Promise<boolean> {
  const metrics = await fetch(`${fleet.servers[0]!.adminUrl}/metrics`);
  return /^carelink_dead_letters [1-9]/m.test(await metrics.text());
}

async function noLetters({ databaseUrl, fleet }: Theatre): Promise<void> {
  await waitFor(fleet, async () => (await letters(databaseUrl)) === 0);
}

async function letters(databaseUrl: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    databaseUrl,
    'SELECT count(*)::int FROM carelink.dead_letters',
  );
  return row!.count;
}

/** So many more refreshes are answered. */
async function granted({ load: { attempts }, fleet }: Theatre, more: number): Promise<void> {
  const count = () => attempts.filter(({ status }) => status === 200).length;
  const before = count();
  await waitFor(fleet, () => Promise.resolve(count() >= before + more));
}

async function waitFor(fleet: Theatre['fleet'], done: () => Promise<boolean>): Promise<void> {
  const giveUpMs = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    fleet.assertAlive();
    if (Date.now() > giveUpMs) throw new Error('it did not come to be');
    await sleep(50);
  }
}
