import { describe, expect, it, onTestFinished } from 'vitest';
import { startCluster } from '../support/postgres.js';
import { services } from '../support/services.js';
import { checkHistory, describeViolation } from './history-checker.js';
import {
  type Battle,
  count,
  type Counts,
  GRACE_MS,
  killPostgres,
  killServers,
  REQUEST_TIMEOUT_MS,
  startBattle,
} from './kill.js';

/** The same kills, a few in the ordinary run and many in the long one. */
export function describeKills(times: number): void {
  describe(`under load, killed with SIGKILL ${times} times`, () => {
    it.skipIf(services().postgres === undefined)('the server loses nothing and forks nothing', async () => {
      const battle = await begin();
      await killServers(battle, times);
      const counts = await judge('server', battle);
      expect(counts.noAnswer).toBeGreaterThanOrEqual(times);
    });

    it.skipIf(services().postgresBin === undefined)(
      'PostgreSQL makes no server lose or fork anything',
      async () => {
        const cluster = await startCluster();
        onTestFinished(() => cluster.stop());
        const battle = await begin(cluster.url, ['--request-timeout', `${REQUEST_TIMEOUT_MS}ms`]);
        await killPostgres(battle, cluster, times);
        await judge('PostgreSQL', battle);
      },
    );

    async function begin(...args: Parameters<typeof startBattle>): Promise<Battle> {
      const battle = await startBattle(...args);
      onTestFinished(() => battle.close());
      return battle;
    }

    async function judge(killed: string, battle: Battle): Promise<Counts> {
      const history = await battle.end();
      const counts = count(history, battle.killedAtMs);
      console.log(`${killed} killed ${times} times: ${JSON.stringify(counts)}`);
      expect(checkHistory(history, { graceMs: GRACE_MS }).map(describeViolation)).toEqual([]);
      // Else the kills were not in the middle of anything, and the run has shown nothing.
      expect(counts.inFlightAtKills).toBeGreaterThan(0);
      // A few kills may miss every moment between a claim and its answer; many don't (20 kills: 18 of a server, 43 of PostgreSQL).
      if (times >= 20) expect(counts.resumed).toBeGreaterThan(0);
      return counts;
    }
  });
}
