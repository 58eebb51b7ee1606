import { readFileSync, writeFileSync } from 'node:fs';
import { startDjango } from '../../support/django.js';
import { freshDatabase } from '../../support/postgres.js';
import { send } from '../http.js';
import { cases } from './all.js';
import { normal, type NormalReply } from './normal.js';
import { world } from './world.js';

/**
 * What simplejwt 5.5.1 answered to each case. Debian has no package of it, so it was asked once: its sources
 * (tag v5.5.1) ran over the same Django project. Its wording is in rest_framework_simplejwt/{serializers,
 * tokens,backends,exceptions}.py, that of fields and parsers in Django REST framework 3.14.
 */
const FILE = new URL('../recorded/simplejwt-5.5.1.json', import.meta.url);

export type Record55 = Readonly<Record<string, NormalReply>>;

export function readRecord(): Record55 {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Record55;
}

/**
 * What the head of simplejwt (998eb63) answered otherwise than 5.5.1, when both were asked the same cases one after the
 * other: eight of them.
 */
const HEAD_FILE = new URL('../recorded/simplejwt-998eb63.json', import.meta.url);

export function readHeadRecord(): Partial<Record55> {
  return JSON.parse(readFileSync(HEAD_FILE, 'utf8')) as Partial<Record55>;
}

export function writeRecord(record: Record55): void {
  const lines = Object.entries(record).map(
    ([name, reply]) => `${JSON.stringify(name)}: ${JSON.stringify(reply)}`,
  );
  writeFileSync(FILE, `{\n${lines.join(',\n')}\n}\n`);
}

/** Asks the simplejwt whose package lies in `source`. */
export async function ask(source: string): Promise<Record55> {
  const database = await freshDatabase();
  const django = await startDjango({ database: database.url, env: { PYTHONPATH: source } });
  try {
    const [active, inactive] = [await django.makeUser(), await django.makeUser()];
    await django.deactivateUser(inactive);
    const given = world(database.url, {
      active: Number(active),
      inactive: Number(inactive),
      unknown: 999_999,
    });
    const record: Record<string, NormalReply> = {};
    for (const one of cases) record[one.name] = normal(await send(django.url, await one.message(given)));
    return record;
  } finally {
    await django.stop();
    await database.drop();
  }
}
