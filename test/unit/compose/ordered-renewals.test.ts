import { describe, expect, it } from 'vitest';
import { OrderedRenewals } from '../../../src/compose/ordered-renewals.js';
import { fromSent, toSend, type Renewal } from '../../../src/compose/renewal.js';

const renewal = (signingKey: string): Renewal => ({
  keys: { algorithm: 'HS256', signingKey, verifyingKeys: ['v'], chainKeys: [Buffer.from([1, 255])] },
  tls: { cert: 'c', key: 'k' },
});
const sent = (signingKey: string) => toSend(renewal(signingKey));

function ordered() {
  const told: string[] = [];
  const renewals = new OrderedRenewals({
    onTaken: (id) => told.push(`taken ${id}`),
    onFailed: (id) => told.push(`failed ${id}`),
  });
  return { renewals, told };
}

describe('renewals that a worker is ordered to take', () => {
  it('come over a channel as they were', () => {
    expect(fromSent(JSON.parse(JSON.stringify(sent('s'))))).toEqual(renewal('s'));
    const plain = { ...renewal('s'), tls: undefined };
    expect(fromSent(JSON.parse(JSON.stringify(toSend(plain))))).toEqual(plain);
  });

  it('wait while it starts; then the newest is taken, and each is confirmed', async () => {
    const { renewals, told } = ordered();
    renewals.order(sent('begun with'));
    renewals.order(sent('first'), 1);
    renewals.order(sent('second'), 2);
    const taken: string[] = [];
    await renewals.takeWith(async ({ keys }) => void taken.push(keys.signingKey));
    expect([taken, told]).toEqual([['second'], ['taken 1', 'taken 2']]);
    // A start that was given up and begun again has to take it, too.
    await renewals.takeWith(async ({ keys }) => void taken.push(`${keys.signingKey} again`));
    expect(taken.at(-1)).toBe('second again');
  });

  it('come one after the other, and one that fails is told and keeps none from the next', async () => {
    const { renewals, told } = ordered();
    let under = 0;
    let most = 0;
    await renewals.takeWith(async ({ keys }) => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
      if (keys.signingKey === 'bad') throw new Error('bad');
    });
    renewals.order(sent('bad'), 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    renewals.order(sent('good'), 2);
    renewals.order(sent('good'), 3);
    await renewals.takeWith(async () => undefined);
    expect([told, most]).toEqual([['failed 1', 'taken 2', 'taken 3'], 1]);
  });
});
