import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOMS = ['store', 'migrate', 'cleanup', 'revoke', 'doctor'];
const COMMENT = /^\s*(?:\*|\/\*|\/\/)/;
/** An object of ours, or the schema itself as the catalog is asked for it. */
const NAMED =
  /\bcarelink\.(?:revoked_before|cleanup_lease|dead_letters|identity|home|migrations|tell)|'carelink'|SCHEMA carelink\b(?! (?:AUTHORIZATION|is|of))/;

it('the schema of our own objects is named in one place, and by no SQL besides', () => {
  const naming = ROOMS.flatMap((room) =>
    readdirSync(join('src', room), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join('src', room, file)),
  ).filter((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .some((line) => !COMMENT.test(line) && NAMED.test(line)),
  );
  // The prefix of a message in the server's log.
  expect(naming).toEqual(['src/store/own-schema.ts', 'src/store/state-sql.ts']);
});
