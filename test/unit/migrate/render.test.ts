import { expect, it } from 'vitest';
import { MIGRATIONS_DIRECTORY, readMigrations } from '../../../src/migrate/files.js';
import { renderFor } from '../../../src/migrate/render.js';

const withoutComments = (sql: string): string =>
  sql
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n');

it('migrations of another site name nothing that is called after carelink but settings, and keep their checksums', async () => {
  const files = await readMigrations(MIGRATIONS_DIRECTORY);
  expect(renderFor({ own: 'carelink' }, files)).toEqual(files);
  const rendered = renderFor({ own: 'other_site' }, files);
  expect(rendered.map(({ checksum }) => checksum)).toEqual(files.map(({ checksum }) => checksum));
  for (const { name, sql, down, makes = '' } of rendered) {
    const left = [...withoutComments(`${sql}\n${down}\n${makes}`).matchAll(/.?carelink[\w.]*/g)].map(
      ([text]) => text,
    );
    // A setting is a session's, whichever site it works for.
    expect([name, left.filter((text) => !/^'carelink\.(?!_)[a-z_]+$/.test(text))]).toEqual([name, []]);
    const settings = new Set(left.map((text) => text.slice(1)));
    for (const setting of settings)
      expect(setting).toMatch(
        /^carelink\.(?:quiet|write_behind|function_owner|live_until|extra_life|outstanding|blacklisted|user_(?:table|id_column|id_type|primary_column|active_column|password_column))$/,
      );
  }
});

it('the schema is found wherever SQL has it', () => {
  const [file] = renderFor({ own: 'carelink_t1' }, [
    {
      name: 'x', file: '', what: '', online: false, kind: 'schema', optional: false, tables: [], checksum: '',
      sql: `SET search_path = carelink, pg_temp; SELECT carelink.f(); CREATE TRIGGER carelink_tell_x; NOTIFY 'carelink_changes'; 'carelink.quiet'`,
      down: 'DROP SCHEMA carelink',
    },
  ]); // prettier-ignore
  expect(file).toMatchObject({
    sql: `SET search_path = carelink_t1, pg_temp; SELECT carelink_t1.f(); CREATE TRIGGER carelink_t1_tell_x; NOTIFY 'carelink_t1_changes'; 'carelink.quiet'`,
    down: 'DROP SCHEMA carelink_t1',
  });
});
