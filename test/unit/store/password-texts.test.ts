import { describe, expect, it } from 'vitest';
import { claimByJtiSql, claimKnownSql } from '../../../src/store/claim-sql.js';
import type { PasswordHash } from '../../../src/store/password-hash.js';
import type { TokenSchema } from '../../../src/store/schema.js';
import { readStateSql } from '../../../src/store/state-sql.js';
import { writeBehindSql } from '../../../src/store/write-behind-sql.js';
import { SCHEMA, USERS } from '../../support/plain-site.js';

const schemaWith = (passwordHash?: PasswordHash): TokenSchema => ({
  ...SCHEMA,
  users: {
    ...USERS,
    columns: { ...USERS.columns, ...(passwordHash === undefined ? {} : { password: 'password' }) },
    passwordHash,
  },
});

const texts = (schema: TokenSchema): string[] => [
  claimKnownSql(schema, 'usual', 'left_out'),
  claimByJtiSql(schema, 'usual', 'left_out'),
  claimByJtiSql(schema, 'brief', 'kept'),
  readStateSql(schema),
  readStateSql(schema, true),
  writeBehindSql(schema),
];

describe('the statements that judge a token', () => {
  it('know nothing of passwords where none is compared: no parameter, no column, no join', () => {
    for (const text of texts(schemaWith())) expect(text).not.toMatch(/password|changed|md5|sha|\bw\./);
  });

  it.each(['md5', 'sha256', 'sha512'] as const)('compare the %s of the user where one is', (hash) => {
    for (const text of texts(schemaWith(hash))) {
      expect(text).toContain(`${hash}(convert_to(w.password, 'UTF8'))`);
      expect(text).toMatch(/::text\[\]\)\s+WITH ORDINALITY AS i \([^)]*, password_hash, n\)/);
    }
  });
});
