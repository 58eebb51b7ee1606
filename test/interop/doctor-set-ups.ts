/** Set-ups with one thing wrong each, and what doctor is to say of it. */
export interface BrokenSetUp {
  readonly title: string;
  /** What is done to a sound database. */
  readonly sql?: string;
  readonly flags?: Readonly<Record<string, string | string[]>>;
  readonly key?: string;
  readonly check: string;
  readonly severity: 'fault' | 'warning';
  /** What is said of it, and how it is mended. */
  readonly says: RegExp;
  readonly mend: RegExp;
}

export const SET_UPS: readonly BrokenSetUp[] = [
  { title: 'nobody listens at the database\'s port', flags: { 'database-url': 'postgres://u:hush-hush@127.0.0.1:1/d' },
    check: 'database', severity: 'fault', says: /127\.0\.0\.1:1.*could not be reached/, mend: /--database-url/ },
  { title: 'the blacklist app was never migrated',
    sql: `DROP TABLE token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken;
          DELETE FROM django_migrations WHERE app = 'token_blacklist'`,
    check: 'token_tables', severity: 'fault', says: /app .*token_blacklist is not installed/, mend: /INSTALLED_APPS/ },
  { title: 'one of its tables was dropped', sql: 'DROP TABLE token_blacklist_blacklistedtoken',
    check: 'token_tables', severity: 'fault', says: /Django has written down/, mend: /--fake/ },
  { title: 'our migrations have not run', sql: 'DROP SCHEMA carelink CASCADE',
    check: 'migrations', severity: 'fault', says: /carelink_schema/, mend: /carelink-tokens migrate/ },
  { title: 'an index is invalid',
    sql: `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_outstanding_token_expires'::regclass`,
    check: 'migrations', severity: 'fault', says: /invalid: idx_outstanding_token_expires/, mend: /carelink-tokens migrate/ },
  { title: 'a restore has set a sequence back',
    sql: `SELECT setval(pg_get_serial_sequence('token_blacklist_outstandingtoken', 'id'), 1)`,
    check: 'sequences', severity: 'fault', says: /outstandingtoken_id_seq is behind.*gives 2 next.*ids up to \d/, mend: /setval.*sqlsequencereset/ },
  { title: 'a sequence of a plain default, that nobody owns, is behind',
    sql: `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
          SELECT now(), id FROM token_blacklist_outstandingtoken ON CONFLICT DO NOTHING;
          SET CONSTRAINTS ALL IMMEDIATE;
          ALTER TABLE token_blacklist_blacklistedtoken ALTER id DROP IDENTITY IF EXISTS;
          ALTER TABLE token_blacklist_blacklistedtoken ALTER id DROP DEFAULT;
          DROP SEQUENCE IF EXISTS token_blacklist_blacklistedtoken_id_seq;
          CREATE SEQUENCE anything;
          ALTER TABLE token_blacklist_blacklistedtoken ALTER id SET DEFAULT nextval('anything')`,
    check: 'sequences', severity: 'fault', says: /sequence anything is behind.*gives 1 next.*ids up to \d/, mend: /setval/ },
  { title: 'the constraint that decides who wins is gone',
    sql: 'ALTER TABLE token_blacklist_blacklistedtoken DROP CONSTRAINT token_blacklist_blacklistedtoken_token_id_key',
    check: 'unique', severity: 'fault', says: /two could rotate one token/, mend: /CREATE UNIQUE INDEX/ },
  { title: 'Django signs with another key', key: 'another key, which is long enough for all of the algorithms',
    check: 'same_key', severity: 'fault', says: /everybody would be logged out/, mend: /SECRET_KEY/ },
  { title: 'Django signs with another algorithm', flags: { algorithm: 'HS384' },
    check: 'same_key', severity: 'fault', says: /signed with HS256/, mend: /--algorithm/ },
  { title: 'an audience that Django has not', flags: { audience: ['staff'] },
    check: 'same_key', severity: 'fault', says: /audience \(none\), and --audience is staff/, mend: /AUDIENCE/ },
  { title: 'an issuer that Django has not', flags: { issuer: 'hospital' },
    check: 'same_key', severity: 'fault', says: /issuer \(none\), and --issuer is hospital/, mend: /ISSUER/ },
  { title: 'an id claim of another name', flags: { 'jti-claim': 'id' },
    check: 'claims', severity: 'fault', says: /no claim id; they have .*jti/, mend: /JTI_CLAIM/ },
  { title: 'a type claim of another name', flags: { 'token-type-claim': 'kind' },
    check: 'claims', severity: 'fault', says: /no claim kind; they have .*token_type/, mend: /TOKEN_TYPE_CLAIM/ },
  { title: 'users that are all deactivated', sql: 'UPDATE auth_user SET is_active = false',
    check: 'users_active', severity: 'fault', says: /not there or not active/, mend: /--user-active-column/ },
  { title: 'tokens that were all revoked', sql: `INSERT INTO carelink.revoked_before VALUES ('', now() + interval '1 minute')`,
    check: 'refreshable', severity: 'fault', says: /none would be refreshed; 5 were revoked/, mend: /log in again/ },
  { title: 'a migration that simplejwt never shipped',
    sql: `INSERT INTO django_migrations (app, name, applied) VALUES ('token_blacklist', '0012_auto_20240301', now())`,
    check: 'django_migrations', severity: 'warning', says: /never shipped: 0012_auto_20240301/, mend: /django_migrations/ },
  { title: 'user ids that do not fit the key of users',
    sql: `CREATE TABLE people (id uuid PRIMARY KEY, is_active boolean NOT NULL)`, flags: { 'user-table': 'people' },
    check: 'user_ids', severity: 'fault', says: /type uuid/, mend: /--user-id-column/ },
  { title: 'a claim of another name', flags: { 'user-id-claim': 'sub' },
    check: 'user_ids', severity: 'fault', says: /no claim sub; they have .*user_id/, mend: /--user-id-claim/ },
  { title: 'a user table that is not there', flags: { 'user-table': 'staff', 'user-check': 'on' },
    check: 'user_table', severity: 'fault', says: /no user table staff/, mend: /--user-table/ },
  { title: 'tokens that name users by another field than the key',
    sql: `UPDATE token_blacklist_outstandingtoken SET user_id = NULL;
          INSERT INTO auth_user SELECT (jsonb_populate_record(u, jsonb_build_object('id', 4000 + u.id, 'username', 'x' || u.id))).* FROM auth_user u;
          UPDATE token_blacklist_outstandingtoken SET user_id = (SELECT max(id) FROM auth_user)`,
    check: 'refreshable', severity: 'fault', says: /name another user in the claim user_id than their rows do/, mend: /--user-id-column.*USER_ID_FIELD/ },
  { title: 'a column of users that keeps some out', sql: 'ALTER TABLE auth_user ADD deleted_at timestamptz',
    check: 'user_table', severity: 'fault', says: /has the column deleted_at.*CREATE VIEW carelink_users/, mend: /--user-table/ },
  { title: 'a view with two rows for a user', flags: { 'user-table': 'twice' },
    sql: 'CREATE VIEW twice AS SELECT id, is_active FROM auth_user UNION ALL SELECT id, is_active FROM auth_user',
    check: 'user_table', severity: 'fault', says: /two rows for some user/, mend: /EXISTS, or an aggregate/ },
  { title: 'a view whose key is of another type', flags: { 'user-table': 'texts' },
    sql: 'CREATE VIEW texts AS SELECT id::text AS id, is_active FROM auth_user',
    check: 'user_table', severity: 'fault', says: /can't be asked who may refresh.*is of the type text/, mend: /--user-id-column/ },
  { title: 'asynchronous blacklisting by name with a view', flags: { 'user-table': 'staff', blacklist: 'async', 'redis-url': 'REDIS/0' },
    sql: 'CREATE VIEW staff AS SELECT id, is_active FROM auth_user',
    check: 'user_table', severity: 'fault', says: /--blacklist async can't be kept/, mend: /sync/ },
  { title: 'claims of a view that no token can hold', flags: { 'user-table': 'staff' },
    sql: `CREATE VIEW staff AS SELECT id, is_active, to_jsonb(repeat('x', 5000)) AS claims FROM auth_user`,
    check: 'refreshable', severity: 'fault', says: /claims in the view of users are no JSON object/, mend: /Mend the view/ },
  { title: 'a key that can be guessed', key: 'hunter2',
    check: 'signing_key', severity: 'fault', says: /bytes|bits/, mend: /openssl rand/ },
  { title: 'refresh tokens that live longer here', flags: { 'refresh-lifetime': '30d' },
    check: 'lifetime', severity: 'warning', says: /2592000 s/, mend: /--refresh-lifetime/ },
  { title: 'sliding tokens that live longer here', flags: { 'sliding-lifetime': '1h' },
    check: 'sliding_lifetime', severity: 'warning', says: /live 900 s, .* 3600 s/, mend: /--sliding-lifetime 900s/ },
  { title: 'a key out of an example', key: 'the-key-that-django-signs-with-change-me',
    check: 'example_secrets', severity: 'fault', says: /^The signing key has a value of an example/, mend: /openssl rand/ },
  { title: 'no Redis at its URL', flags: { 'redis-url': 'redis://:hush-hush@127.0.0.1:1' },
    check: 'redis', severity: 'fault', says: /does not answer \(ECONNREFUSED\)/, mend: /--redis-url/ },
  { title: 'a database that Redis lacks', flags: { 'redis-url': 'REDIS/16' },
    check: 'redis', severity: 'fault', says: /refuses SELECT 16: ERR DB index is out of range/, mend: /does not start/ },
  { title: 'tokens that expired long ago',
    sql: `UPDATE token_blacklist_outstandingtoken SET expires_at = now() - interval '31 days' WHERE id = 1`,
    check: 'expired', severity: 'warning', says: /nobody cleans up/, mend: /cleanup/ },
  { title: 'many tokens that should be gone by now',
    sql: `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti)
          SELECT 'x' || n, now() - interval '26 days', now() - interval '25 days', md5('overdue' || n)
            FROM generate_series(1, 10001) AS n`,
    check: 'expired', severity: 'warning', says: /More than 10,000 .*8 days ago: nobody cleans up/, mend: /cleanup/ },
]; // prettier-ignore
