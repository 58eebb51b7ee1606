import { describe, expect, it } from 'vitest';
import {
  checksumOf,
  MIGRATIONS_DIRECTORY,
  parseMigration,
  readMigrations,
} from '../../../src/migrate/files.js';

const TEXT = `-- name:   idx_a
-- what:   finds
--           a thing
-- kind:   index
-- tables: t
-- online: yes (CONCURRENTLY)
-- down:   DROP INDEX CONCURRENTLY idx_a;

-- Why.
CREATE INDEX CONCURRENTLY idx_a
  ON t (a);
`;

describe('a migration file', () => {
  it('is its header and its SQL', () => {
    expect(parseMigration('0009_idx_a.sql', TEXT)).toMatchObject({
      name: 'idx_a',
      what: 'finds a thing',
      kind: 'index',
      tables: ['t'],
      online: true,
      down: 'DROP INDEX CONCURRENTLY idx_a;',
    });
  });

  it.each([
    ['another name than its file has', '0009_idx_b.sql', TEXT],
    ['a file name without a number', 'idx_a.sql', TEXT],
    ['no way down', '0009_idx_a.sql', TEXT.replace(/-- down.*\n/, '')],
    ['an unknown kind', '0009_idx_a.sql', TEXT.replace('kind:   index', 'kind:   view')],
    ['an index that locks out writers', '0009_idx_a.sql', TEXT.replaceAll('CONCURRENTLY ', '')],
    ['two statements where one index is made', '0009_idx_a.sql', `${TEXT}DROP TABLE t;`],
    ['two tables for one index', '0009_idx_a.sql', TEXT.replace('tables: t', 'tables: t, u')],
  ])('is refused with %s', (_, file, text) => {
    expect(() => parseMigration(file, text)).toThrow(/migrations\//);
  });

  it('has a checksum that comments and layout leave alone, and nothing else does', () => {
    const sum = checksumOf('CREATE INDEX a\n  ON t (b);');
    expect(checksumOf('-- another reason\nCREATE INDEX a ON t (b);')).toBe(sum);
    expect(checksumOf('CREATE INDEX a ON t (c);')).not.toBe(sum);
  });

  it('can be read, each one that is shipped', async () => {
    const migrations = await readMigrations(MIGRATIONS_DIRECTORY);
    expect(migrations.map(({ name }) => name)).toEqual([
      'carelink_schema',
      'token_tables',
      'idx_outstanding_token_jti',
      'idx_refresh_token_user_created',
      'idx_outstanding_token_user',
      'idx_blacklisted_token_created',
      'idx_outstanding_token_expires',
      'autovacuum_outstanding',
      'autovacuum_blacklisted',
      'cleanup_lease',
      'notify_changes',
      'dead_letters',
      'identity',
      'home',
      'notify_passwords',
      'shared_revocations',
      'audit',
      'revoke_user',
    ]);
  });
});
