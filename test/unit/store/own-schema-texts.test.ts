import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { changedTriggerSql } from '../../../src/migrate/changed-trigger.js';
import { MIGRATIONS_DIRECTORY, readMigrations } from '../../../src/migrate/files.js';
import { heardSql, markEverybodySql } from '../../../src/revoke/batch-sql.js';
import { claimByJtiSql, claimKnownSql } from '../../../src/store/claim-sql.js';
import { judgeAndRecordSql, judgeSql, judgeTablelessSql } from '../../../src/store/reissue-sql.js';
import { blacklistUserSql, revokeBeforeSql } from '../../../src/store/revocation-sql.js';
import type { TokenSchema } from '../../../src/store/schema.js';
import { readStateSql } from '../../../src/store/state-sql.js';
import { writeBehindSql } from '../../../src/store/write-behind-sql.js';
import { SCHEMA, USERS } from '../../support/plain-site.js';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** What each statement was before our schema had another name anywhere; a statement that is changed on purpose is written down anew. */
const statements = (schema: TokenSchema): Readonly<Record<string, string>> => ({
  claimKnown: claimKnownSql(schema, 'usual', 'left_out'),
  claimByJti: claimByJtiSql(schema, 'brief', 'kept'),
  readState: readStateSql(schema, true),
  writeBehind: writeBehindSql(schema),
  judge: judgeSql(schema),
  judgeTableless: judgeTablelessSql(schema),
  judgeAndRecord: judgeAndRecordSql(schema),
  blacklistUser: blacklistUserSql(schema, 'revoked'),
  revokeBefore: revokeBeforeSql(schema),
  markEverybody: markEverybodySql(schema),
  heard: heardSql(schema),
  changedTrigger: changedTriggerSql(USERS, schema.own),
});

const digests = (texts: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, digest(text)]));

const BEFORE = {
  blacklistUser: '28eb9cf898150e4c',
  changedTrigger: 'b16d2f5d35203da5',
  claimByJti: '1883d475955c3618',
  claimKnown: 'c4a1ba12da80f6e2',
  heard: '9971e6631d7757f7',
  judge: '5a9b0b521ca15ac1',
  judgeAndRecord: 'bb949beca4202ec4',
  judgeTableless: 'c07ac8eef9f8a0be',
  markEverybody: '6b986c0a347e702a',
  readState: 'b94325064dcc1fec',
  revokeBefore: '6011c232a7ffade6',
  writeBehind: '39dcf13d18d42524',
};

it('statements of a site whose own schema is carelink are what they always were, byte for byte', () => {
  expect(digests(statements(SCHEMA))).toEqual(BEFORE);
});

/** Checksum, SQL and what undoes it. */
const RELEASED = {
  autovacuum_blacklisted: '8ff77ed70ad3b913 e3564396ad99a8b3 305b100dc47902c0',
  autovacuum_outstanding: '0e7c0fca62640a7e 3aece2833689ee36 0780db47520866c2',
  carelink_schema: 'f0ea0c1a24f6ecbf 96642469800f49c1 7ee403b9f2fb6b86',
  cleanup_lease: 'c07d0bd029426905 fb6bb78051b002e2 b058871e937d6bcf',
  dead_letters: '4685c98b149697d5 c1539e259898c84c b098de900e0d872a',
  home: '1841d8536c38814d fe917e7ae47a2ca0 8dd9082630eb83ea',
  identity: '45785e9a7928484b 30a59bdfd1d05d13 a9ffa2f7461b2e85',
  idx_blacklisted_token_created: 'e4b7797d4c72ddcc ab58c706af51b2b4 fcde8c4d263c7ad7',
  idx_outstanding_token_expires: '675c27e782d66cb2 50053b14a1bce537 32d8b7d0ac021535',
  idx_outstanding_token_jti: '7f8c4d1137dbbe5e a5758b30bf3bb787 c511671a3fa75dd2',
  idx_outstanding_token_user: '523d7c00cf205449 04fcc7567aa75fe5 0061cf7efba5938a',
  idx_refresh_token_user_created: '4194c3c9ad3651b6 fbcc44c77f95b58f 82bdc92320b94b27',
  notify_changes: 'c2b71633b0c483a3 fa175238f0760f1f 16f894c07d46ca83',
  notify_passwords: '8159089c1a49d462 c0cd52ba77e99e91 eee1f516db888f9a',
  token_tables: '3a4e7f6a586ea08f fe7eee314088ea52 9cbed26eaceca01b',
};

it('so are the migrations that were released, and what the ledger knows them by', async () => {
  const migrations = await readMigrations(MIGRATIONS_DIRECTORY);
  const found = migrations.map(({ name, checksum, sql, down }) => [
    name,
    `${checksum.slice(0, 16)} ${digest(sql)} ${digest(down)}`,
  ]);
  expect(Object.fromEntries(found)).toMatchObject(RELEASED);
});
