/** `--revoke-claim` against what simplejwt's head (998eb63) answered with CHECK_REVOKE_TOKEN. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startDjango } from '../support/django.js';
import { createSimplejwtTables, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { normal, normalOfOurs, type NormalReply } from './matrix/normal.js';
import { passwordReplies } from './matrix/passwords.js';
import { startMigrated } from './pair.js';

const FILE = new URL('recorded/simplejwt-998eb63-passwords.json', import.meta.url);
const record = (): Record<string, NormalReply> =>
  JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, NormalReply>;

const CHANGED = { detail: "The user's password has been changed." };

/**
 * Where the answer is meant to be another one. simplejwt blacklists a token whose password has changed, and says so the
 * second time: here nothing is written, or one wrong setting would end every session of a shift for good.
 */
const isDeparture = (name: string): boolean => name.endsWith('the second time');

describe.skipIf(!services().postgres)('with CHECK_REVOKE_TOKEN', () => {
  test('answers as the head of simplejwt does, save that nothing is written', async () => {
    const database = await freshDatabase();
    try {
      await createSimplejwtTables(database.url);
      await query(
        database.url,
        `ALTER TABLE auth_user ADD COLUMN username text, ADD COLUMN password text, ADD COLUMN is_superuser boolean, ADD COLUMN first_name text,
           ADD COLUMN last_name text, ADD COLUMN email text, ADD COLUMN is_staff boolean, ADD COLUMN date_joined timestamptz`,
      );
      const ours = await startMigrated(database.url, { args: ['--revoke-claim', 'hash_password'] });
      try {
        const replies = await passwordReplies(database.url, () => ours.url, normalOfOurs);
        const theirs = record();
        expect(Object.keys(replies)).toEqual(Object.keys(theirs));
        for (const [name, reply] of Object.entries(replies)) {
          const wanted = theirs[name]!;
          if (!isDeparture(name)) expect({ name, ...reply }).toEqual({ name, ...wanted });
          else {
            expect(wanted.body).toMatchObject({ detail: 'Token is blacklisted' });
            expect({ name, ...reply }).toEqual({ name, ...wanted, body: CHANGED });
          }
        }
      } finally {
        await ours.close();
      }
    } finally {
      await database.drop();
    }
  });
});

/** The directory of simplejwt's sources at that commit, where there is one: written anew with RECORD=1. */
const source = process.env['SIMPLEJWT_HEAD_SOURCE'];
if (source !== undefined) {
  test('the record is what that simplejwt answers', async () => {
    const database = await freshDatabase();
    const django = await startDjango({
      database: database.url,
      env: { PYTHONPATH: source, DJANGO_CHECK_REVOKE: '1' },
    });
    try {
      const asked = await passwordReplies(database.url, () => django.url, normal);
      if (process.env['RECORD'] === '1') {
        const lines = Object.entries(asked).map(
          ([name, reply]) => `${JSON.stringify(name)}: ${JSON.stringify(reply)}`,
        );
        writeFileSync(FILE, `{\n${lines.join(',\n')}\n}\n`);
      }
      expect(asked).toEqual(record());
    } finally {
      await django.stop();
      await database.drop();
    }
  });
}
