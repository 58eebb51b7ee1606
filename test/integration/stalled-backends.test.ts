import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { GivenUpBackends, servedBy, type Backend } from '../../src/store/stalled.js';
import { freshDatabase, openClient } from '../support/postgres.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('backends whose statement was given up', () => {
  it('are ended, one as well that is given up while the connection for the others is being closed', async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.drop());
    const busy = await Promise.all([openClient(database.url), openClient(database.url)]);
    const [first, second] = await Promise.all(
      busy.map(async (client): Promise<Backend> => {
        client.on('error', () => undefined);
        const { backend } = await servedBy(client);
        void client.query('SELECT pg_sleep(60)').catch(() => undefined);
        return backend!;
      }),
    );
    const givenUp = new GivenUpBackends({
      connect: async () => {
        const client = await openClient(database.url);
        const end = client.end.bind(client);
        client.end = async () => {
          if (givenUp.count === 0 && !later) {
            later = true;
            givenUp.giveUp(second!);
          }
          await end();
        };
        return client;
      },
      onChange: () => undefined,
    });
    let later = false as boolean;
    givenUp.giveUp(first!);
    // A bound against hanging: each takes milliseconds.
    for (let waited = 0; waited < 10_000 && !(later && givenUp.count === 0); waited += 20) await sleep(20);
    expect([later, givenUp.count]).toEqual([true, 0]);
    await givenUp.stop();
  });
});
