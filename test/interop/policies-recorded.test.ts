/** Every policy, without and with the blacklist app, against what simplejwt 5.5.1 and its head answered. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { startDjango } from '../support/django.js';
import { createSimplejwtTables, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { normal, normalOfOurs } from './matrix/normal.js';
import {
  compareLives,
  djangoEnv,
  life,
  makeUserColumns,
  POLICIES,
  startPolicies,
  type Life,
  type Policy,
} from './matrix/policies.js';

type Record = Readonly<globalThis.Record<string, Life>>;

/** Debian has neither: they were asked once, and their answers are kept. */
const RELEASES = [
  {
    name: 'simplejwt 5.5.1',
    asked: '5.5',
    file: new URL('recorded/simplejwt-5.5.1-policies.json', import.meta.url),
    source: process.env['SIMPLEJWT_5_5_SOURCE'],
  },
  {
    name: 'the head of simplejwt (998eb63)',
    asked: 'head',
    file: new URL('recorded/simplejwt-998eb63-policies.json', import.meta.url),
    source: process.env['SIMPLEJWT_HEAD_SOURCE'],
  },
] as const;

const read = (file: URL): Record => JSON.parse(readFileSync(file, 'utf8')) as Record;

describe.skipIf(!services().postgres)('the policies of a site', () => {
  const ours = new Map<Policy, Life>();

  beforeAll(async () => {
    await Promise.all([false, true].map(liveAll));
  });

  async function liveAll(app: boolean): Promise<void> {
    const fresh = await freshDatabase();
    const database = fresh.url;
    await createSimplejwtTables(database);
    if (!app)
      await query(database, 'DROP TABLE token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken');
    await makeUserColumns(database);
    const servers = await startPolicies(
      database,
      POLICIES.filter((policy) => policy.app === app),
    );
    try {
      // One after the other: rows are counted.
      for (const [policy, { url }] of servers)
        ours.set(policy, await life(policy, { url, database, normal: normalOfOurs }));
    } finally {
      await Promise.all([...servers.values()].map((server) => server.stop()));
      await fresh.drop();
    }
  }

  describe.each(RELEASES)('as $name', ({ file, asked }) => {
    const record = read(file);

    test.each(POLICIES)('$name', (policy) => {
      compareLives(policy, asked, record[policy.name]!, ours.get(policy)!);
    });
  });
});

for (const { name, file, source } of RELEASES) {
  if (source === undefined) continue;
  // The directory of its sources is there: the record is held against them, and written anew with RECORD=1.
  test(`the record is what ${name} answers`, async () => {
    const asked: globalThis.Record<string, Life> = {};
    for (const policy of POLICIES) {
      const database = await freshDatabase();
      const django = await startDjango({
        database: database.url,
        env: { PYTHONPATH: source, ...djangoEnv(policy) },
      });
      try {
        asked[policy.name] = await life(policy, { url: django.url, database: database.url, normal });
      } finally {
        await django.stop();
        await database.drop();
      }
    }
    if (process.env['RECORD'] === '1') writeFileSync(file, text(asked));
    expect(asked).toEqual(read(file));
  });
}

/** A line for each step, so that a difference can be read. */
function text(record: Record): string {
  const lives = Object.entries(record).map(([name, steps]) => {
    const lines = Object.entries(steps).map(
      ([step, reply]) => `${JSON.stringify(step)}: ${JSON.stringify(reply)}`,
    );
    return `${JSON.stringify(name)}: {\n${lines.join(',\n')}\n}`;
  });
  return `{\n${lives.join(',\n')}\n}\n`;
}
