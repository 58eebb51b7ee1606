-- name:   revoke_user
-- what:   revoke_user(primary key, reason): ends all sessions of a user within a transaction of Django's own
-- kind:   functions
-- makes:  carelink.revoke_user(text, text), carelink.revoke_user(bigint, text), carelink.revoke_user(uuid, text)
-- online: no (one short transaction; takes no lock on any table of Django's)
-- down:   DROP FUNCTION IF EXISTS carelink.revoke_user(text, text), carelink.revoke_user(bigint, text),
--           carelink.revoke_user(uuid, text);

DO $install$
DECLARE
  -- As the runner found them; empty: there is none.
  outstanding text := coalesce(current_setting('carelink.outstanding', true), '');
  blacklisted text := coalesce(current_setting('carelink.blacklisted', true), '');
  user_id_type text := coalesce(current_setting('carelink.user_id_type', true), 'text');
  users text := coalesce(current_setting('carelink.user_table', true), '');
  primary_column text := coalesce(current_setting('carelink.user_primary_column', true), '');
  key_column text := coalesce(current_setting('carelink.user_id_column', true), '');
  -- Until when the token of a row o may live, and by how much tokens outlive their rows. Unknown: every row is taken.
  live_until text := coalesce(nullif(current_setting('carelink.live_until', true), ''), $default$'infinity'::timestamptz$default$);
  extra_life text := coalesce(nullif(current_setting('carelink.extra_life', true), ''), '0');
  find_user text;
  end_tokens text := '';
BEGIN
  -- Tokens name a user by key_column, Django's own code by the primary key; mostly they are the same.
  IF users = '' THEN
    find_user := format('key := user_pk::%s::text;', user_id_type);
  ELSE
    find_user := format($find$
  SELECT u.%1$I::text INTO key FROM %2$s u WHERE u.%3$I = user_pk::%4$s;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'revoke_user: no user has the primary key %%', user_pk
      USING ERRCODE = 'no_data_found', HINT = 'Call it before the user is deleted, with user.pk.';
  END IF;$find$, key_column, users, primary_column, user_id_type);
  END IF;
  IF outstanding <> '' THEN
    end_tokens := format($end$
  extra := make_interval(secs => (%5$s)::float8);
  -- Until a statement has won every row that it saw: one that a refresh won meanwhile has left a successor, which the next
  -- statement sees. Where all statements share one snapshot (REPEATABLE READ) PostgreSQL refuses instead: 40001.
  -- A row that somebody deletes meanwhile, as flushexpiredtokens does, would fail the foreign key at COMMIT: so it is locked
  -- first, or passed over. Triggers tell of 1,000 rows by their jtis, and of more only that something may have changed.
  LOOP
    WITH open AS (
      SELECT o.id FROM %1$s o
       WHERE o.user_id = user_pk::%3$s AND NOT EXISTS (SELECT FROM %2$s b WHERE b.token_id = o.id)
         AND %4$s > now()
       -- Not by the index on id, which would be read for the rows of everybody.
       ORDER BY o.id + 0
       LIMIT 1000
         FOR KEY SHARE OF o
    ),
    won AS (
      INSERT INTO %2$s (blacklisted_at, token_id)
      SELECT clock_timestamp(), id FROM open ORDER BY id
      ON CONFLICT (token_id) DO NOTHING
      RETURNING token_id
    )
    SELECT (SELECT count(*) FROM open), (SELECT count(*) FROM won) INTO seen, won_now;
    ended := ended + won_now;
    EXIT WHEN seen = won_now AND seen < 1000;
  END LOOP;$end$, outstanding, blacklisted, user_id_type, live_until, extra_life);
  END IF;

  EXECUTE format($make$
CREATE OR REPLACE FUNCTION carelink.revoke_user(user_pk text, reason text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
-- Each row is looked up in the blacklist: hashing or merging would read all of it.
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $body$
#variable_conflict use_variable
DECLARE
  key text;
  -- Not a fraction later: whoever is given tokens in the same transaction keeps them.
  mark timestamptz := date_trunc('second', clock_timestamp());
  ended integer := 0;
  extra interval;
  seen integer;
  won_now integer;
BEGIN
  IF user_pk IS NULL OR btrim(user_pk) = '' THEN
    RAISE EXCEPTION 'revoke_user: a primary key is needed, and it is NULL or empty'
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass user.pk. To revoke everybody, use the command revoke --issued-before.';
  END IF;
  IF reason IS NULL OR btrim(reason) = '' OR length(reason) > 1000 THEN
    RAISE EXCEPTION 'revoke_user: a reason of 1 to 1000 characters is needed, for the audit'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  %1$s
  -- The empty key stands for everybody.
  IF key IS NULL OR key = '' THEN
    RAISE EXCEPTION 'revoke_user: tokens do not name the user with the primary key %%', user_pk
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Other servers are told by the triggers, whatever this session was set to before.
  PERFORM set_config('carelink.quiet', 'off', true), set_config('carelink.write_behind', 'off', true);
  INSERT INTO carelink.revoked_before AS r (user_key, at) VALUES (key, mark)
  ON CONFLICT ON CONSTRAINT revoked_before_pkey DO UPDATE SET at = greatest(r.at, excluded.at);
  %2$s
  INSERT INTO carelink.audit (once, deed, kind, scope, actor, reason, user_key, tokens, begun_before)
  SELECT deed::text, deed, 'revoke_user', 'user', 'sql: ' || session_user, reason, key, ended, mark
    FROM gen_random_uuid() AS deed;
  RETURN ended;
END
$body$ $make$, find_user, end_tokens);

  -- What a driver makes of an integer or a UUID has a type, and finds no function of text.
  CREATE OR REPLACE FUNCTION carelink.revoke_user(user_pk bigint, reason text) RETURNS integer
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $body$ SELECT carelink.revoke_user($1::text, $2) $body$;
  CREATE OR REPLACE FUNCTION carelink.revoke_user(user_pk uuid, reason text) RETURNS integer
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $body$ SELECT carelink.revoke_user($1::text, $2) $body$;
END
$install$;

-- A function may be called by everybody unless that is taken away.
REVOKE ALL ON FUNCTION carelink.revoke_user(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION carelink.revoke_user(bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION carelink.revoke_user(uuid, text) FROM PUBLIC;
COMMENT ON FUNCTION carelink.revoke_user(text, text) IS
  'Ends all sessions of a user in the transaction of its caller; returns how many tokens had a row. See docs/audit.md.';

-- Triggers, defaults and checks on the blacklist run with the function's rights, and its owner writes them. Whoever migrates may
-- have more rights than that owner: so the function is his. What he needs of ours for it he is granted.
DO $hand_over$
DECLARE
  owner name := coalesce(nullif(current_setting('carelink.function_owner', true), ''), current_user);
  own oid := $name$carelink$name$::regnamespace;
  one regprocedure;
  lent boolean := false;
BEGIN
  IF NOT has_schema_privilege(owner, own, 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', own::regnamespace, owner);
  END IF;
  IF NOT (has_table_privilege(owner, $name$carelink.revoked_before$name$, 'SELECT')
      AND has_table_privilege(owner, $name$carelink.revoked_before$name$, 'INSERT')
      AND has_table_privilege(owner, $name$carelink.revoked_before$name$, 'UPDATE')) THEN
    EXECUTE format($grant$ GRANT SELECT, INSERT, UPDATE ON carelink.revoked_before TO %I $grant$, owner);
  END IF;
  IF NOT has_table_privilege(owner, $name$carelink.audit$name$, 'INSERT') THEN
    EXECUTE format($grant$ GRANT INSERT ON carelink.audit TO %I $grant$, owner);
  END IF;
  FOR one IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = own AND p.proname = 'revoke_user' AND pg_get_userbyid(p.proowner) <> owner
  LOOP
    -- Only who may make a function there can be given one, unless a superuser does it.
    IF NOT lent AND NOT has_schema_privilege(owner, own, 'CREATE')
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
      EXECUTE format('GRANT CREATE ON SCHEMA %s TO %I', own::regnamespace, owner);
      lent := true;
    END IF;
    EXECUTE format('ALTER FUNCTION %s OWNER TO %I', one, owner);
  END LOOP;
  IF lent THEN EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM %I', own::regnamespace, owner); END IF;
END
$hand_over$;
