/** What was ended stays ended, whoever cleans up. */
import { expect, it, onTestFinished } from 'vitest';
import { services } from '../support/services.js';
import { pairOf, refresh, verify } from './api.js';
import { startPair, SYNC } from './pair.js';
import { lengthenedSuite, naiveDatesSuite } from './stays-out-suite.js';

lengthenedSuite(SYNC);
naiveDatesSuite(['America/New_York'], SYNC);

it.skipIf(services().postgres === undefined || !services().django)(
  'what is spent here Django refuses without BLACKLIST_AFTER_ROTATION, too; only its verify/ does not look',
  async () => {
    const pair = await startPair({ env: { DJANGO_BLACKLIST: '0' } });
    onTestFinished(() => pair.close());
    const { django, url } = pair;
    const { refresh: spent } = await django.mint(await django.makeUser());
    pairOf(await refresh(url, spent));
    expect((await refresh(django.url, spent)).status).toBe(401);
    expect((await verify(django.url, spent)).status).toBe(200);
  },
);
