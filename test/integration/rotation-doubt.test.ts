import { describe, expect, it } from 'vitest';
import { refreshUntilAnswered, rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('a claim in doubt, attacked', () => {
  const world = rotationWorld();

  it('is resumed also where it was found to stand and its rows could not be read in time', async () => {
    const { service, faults } = await world.start({ requestTimeoutMs: 400 });
    const old = await world.login();
    faults.push({ purpose: 'claim', what: 'answer_lost' });
    for (let n = 0; n < 100; n++) faults.push({ purpose: 'lookup', what: 'not_sent' });
    expect(await service.refresh(old.token)).toMatchObject({ kind: 'unavailable' });
    faults.length = 0;
    const pair = rotated(await refreshUntilAnswered(service, old.token));
    expect(pair.replayed).toBe(true);
  });

  it('that never stood is not repeated with its old time: the pair would be as old', async () => {
    const { service, faults } = await world.start({ requestTimeoutMs: 300 });
    const old = await world.login();
    for (let n = 0; n < 50; n++)
      faults.push({ purpose: 'claim', what: n === 0 ? 'sent_in_vain' : 'not_sent' });
    expect(await service.refresh(old.token)).toMatchObject({ kind: 'unavailable' });
    faults.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const beganUs = Date.now() * 1000;
    const pair = rotated(await refreshUntilAnswered(service, old.token));
    expect(pair.claimedAtUs).toBeGreaterThan(beganUs - 500_000);
  });

  it('is not repeated with a time that the database has not reached: its clock was set back', async () => {
    const { service, faults } = await world.start({ requestTimeoutMs: 300 });
    // Older than the step, or its iat alone would refuse it.
    const old = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 7200 });
    for (let n = 0; n < 50; n++)
      faults.push({ purpose: 'claim', what: n === 0 ? 'sent_in_vain' : 'not_sent' });
    await world.sql(`
      CREATE SCHEMA shadow;
      CREATE FUNCTION shadow.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS $$ SELECT pg_catalog.clock_timestamp() - interval '1 hour' $$;`);
    expect(await service.refresh(old.token)).toMatchObject({ kind: 'unavailable' });
    faults.length = 0;
    const [{ db } = { db: '' }] = await world.sql<{ db: string }>('SELECT current_database() AS db');
    await world.sql(`ALTER DATABASE ${db} SET search_path = shadow, pg_catalog, public`);
    await world.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    try {
      rotated(await refreshUntilAnswered(service, old.token));
    } finally {
      await world.sql(`ALTER DATABASE ${db} RESET search_path`);
      await world.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    }
  });
});
