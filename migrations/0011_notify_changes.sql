-- name:   notify_changes
-- what:   tells every instance within a second what Django does by itself: log-outs, users deactivated or deleted
-- kind:   triggers
-- only:   with --notify
-- tables: token_blacklist_blacklistedtoken
-- online: no (one short transaction; CREATE TRIGGER makes writes of a table wait for a moment, reads go on)
-- down:   DROP FUNCTION IF EXISTS carelink.tell_blacklisted(), carelink.tell_users_changed(),
--           carelink.tell_users_deleted(), carelink.tell_users_gone(), carelink.tell_revoked(),
--           carelink.tell(text, text[]) CASCADE;

-- NOTIFY goes out with the commit of whoever made the change, through any pooler; only LISTEN needs a session.
-- Triggers are called once a statement, whatever it touches: one row or a million. Where every server is synchronous,
-- rotations are carelink.quiet and call none, for a NOTIFY takes a lock at commit that all of them share; so is what is
-- written behind, which is known to everybody already.

-- Payloads hold what fits: a NOTIFY may have 8,000 bytes, and a chunk is at most 6,000 and one item more. Past a
-- thousand items nobody wants the list: "gap" says that anything may have changed.
CREATE OR REPLACE FUNCTION carelink.tell(what text, items text[]) RETURNS void LANGUAGE plpgsql AS $tell$
BEGIN
  IF cardinality(items) > 1000 THEN
    PERFORM pg_catalog.pg_notify('carelink_changes', '{"gap":true}');
    RETURN;
  END IF;
  PERFORM pg_catalog.pg_notify('carelink_changes', '{"' || what || '":[' || string_agg(item, ',') || ']}')
     FROM (SELECT item, (sum(octet_length(item) + 1) OVER (ROWS UNBOUNDED PRECEDING)) / 6000 AS chunk
             FROM unnest(items) AS item) AS chunked
    GROUP BY chunk;
END
$tell$;

-- Each trigger's function ends in this block: whatever is wrong (an item too long, a table that was moved), Django's
-- own statement must not fail of it, and nothing may be missed.

DO $install$
DECLARE
  -- With their schemas: the functions are run by whoever makes the change, with a search path of his own.
  qualified CONSTANT text := $find$
    SELECT format('%I.%I', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 $find$;
  or_gap CONSTANT text := $gap$
    RETURN NULL;
  EXCEPTION WHEN OTHERS THEN
    PERFORM pg_catalog.pg_notify('carelink_changes', '{"gap":true}');
    RETURN NULL;
  END $gap$;
  outstanding regclass := to_regclass('token_blacklist_outstandingtoken');
  blacklisted_name text;
  outstanding_name text;
  users_name text;
  wanted text := nullif(current_setting('carelink.user_table', true), '');
  key_column name := coalesce(nullif(current_setting('carelink.user_id_column', true), ''), 'id');
  active_column name := coalesce(nullif(current_setting('carelink.user_active_column', true), ''), 'is_active');
  users regclass;
  primary_column name;
  user_key text := 'o.user_id::text';
BEGIN
  -- As the server finds it: what was named, else what user_id refers to, else Django's own.
  SELECT k.confrelid, f.attname INTO users, primary_column
    FROM pg_constraint k
    JOIN pg_attribute o ON o.attrelid = k.conrelid AND o.attnum = k.conkey[1]
    JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
   WHERE k.conrelid = outstanding AND k.contype = 'f' AND o.attname = 'user_id';
  IF wanted IS NOT NULL THEN
    IF to_regclass(wanted) IS DISTINCT FROM users THEN primary_column := NULL; END IF;
    users := to_regclass(wanted);
    IF users IS NULL THEN RAISE EXCEPTION 'there is no user table %', wanted; END IF;
  ELSE
    users := coalesce(users, to_regclass('auth_user'));
  END IF;
  IF (SELECT count(*) FROM pg_attribute a
       WHERE a.attrelid = users AND a.attname IN (key_column, active_column) AND NOT a.attisdropped) < 2 THEN
    IF wanted IS NOT NULL THEN
      RAISE EXCEPTION 'the user table % lacks the column % or %', wanted, key_column, active_column;
    END IF;
    users := NULL;
  END IF;

  EXECUTE qualified INTO blacklisted_name USING to_regclass('token_blacklist_blacklistedtoken');
  EXECUTE qualified INTO outstanding_name USING outstanding;
  EXECUTE qualified INTO users_name USING users;

  -- Tokens name a user by key_column, rows by what user_id refers to; mostly they are the same.
  IF users IS NOT NULL AND primary_column IS NOT NULL AND primary_column <> key_column THEN
    user_key := format('(SELECT u.%I::text FROM %s u WHERE u.%I = o.user_id)', key_column, users_name,
      primary_column);
  END IF;

  EXECUTE format($make$
    CREATE OR REPLACE FUNCTION carelink.tell_blacklisted() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
      PERFORM carelink.tell('blacklisted', items)
         FROM (SELECT array_agg(item) AS items
                 FROM (SELECT json_build_array(o.jti, %s)::text AS item
                         FROM (SELECT token_id FROM added LIMIT 1001) a JOIN %s o ON o.id = a.token_id) AS told) AS all_of_it
        WHERE items IS NOT NULL;
      %s
    $body$ $make$, user_key, outstanding_name, or_gap);
  EXECUTE format($make$
    CREATE OR REPLACE TRIGGER carelink_tell_blacklisted AFTER INSERT ON %s REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT WHEN (current_setting('carelink.quiet', true) IS DISTINCT FROM 'on'
                               AND current_setting('carelink.write_behind', true) IS DISTINCT FROM 'on')
      EXECUTE FUNCTION carelink.tell_blacklisted() $make$, blacklisted_name);

  IF users IS NOT NULL THEN
    EXECUTE format($make$
      CREATE OR REPLACE FUNCTION carelink.tell_users_changed() RETURNS trigger LANGUAGE plpgsql AS $body$
      DECLARE
        items text[];
      BEGIN
        -- Grouped, not joined: a session keeps the plan that it made for a single row, and a nested loop over two
        -- times a million would never end.
        items := ARRAY(
          SELECT to_json(u.key::text)::text
            FROM (SELECT %1$I AS key, %2$I AS active FROM before
                  UNION ALL
                  SELECT %1$I, %2$I FROM after) AS u
           GROUP BY u.key
          HAVING count(*) <> 2 OR count(u.active) = 1 OR bool_and(u.active) IS DISTINCT FROM bool_or(u.active)
           LIMIT 1001);
        IF items <> '{}' THEN PERFORM carelink.tell('users', items); END IF;
        %3$s
      $body$ $make$, key_column, active_column, or_gap);
    -- Not "UPDATE OF": PostgreSQL gives such a trigger no tables of what changed, and Django saves all columns anyway.
    EXECUTE format($make$
      CREATE OR REPLACE TRIGGER carelink_tell_users_changed AFTER UPDATE ON %s
        REFERENCING OLD TABLE AS before NEW TABLE AS after
        FOR EACH STATEMENT EXECUTE FUNCTION carelink.tell_users_changed() $make$, users_name);
    EXECUTE format($make$
      CREATE OR REPLACE FUNCTION carelink.tell_users_deleted() RETURNS trigger LANGUAGE plpgsql AS $body$
      DECLARE
        items text[];
      BEGIN
        items := ARRAY(SELECT to_json(b.%1$I::text)::text FROM before b LIMIT 1001);
        IF items <> '{}' THEN PERFORM carelink.tell('users', items); END IF;
        %2$s
      $body$ $make$, key_column, or_gap);
    EXECUTE format($make$
      CREATE OR REPLACE TRIGGER carelink_tell_users_deleted AFTER DELETE ON %s REFERENCING OLD TABLE AS before
        FOR EACH STATEMENT EXECUTE FUNCTION carelink.tell_users_deleted() $make$, users_name);
    CREATE OR REPLACE FUNCTION carelink.tell_users_gone() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
      PERFORM pg_catalog.pg_notify('carelink_changes', '{"gap":true}');
      RETURN NULL;
    END
    $body$;
    EXECUTE format($make$
      CREATE OR REPLACE TRIGGER carelink_tell_users_gone AFTER TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION carelink.tell_users_gone() $make$, users_name);
  END IF;

  -- "Revoke all that this user holds", for tokens that have no row.
  CREATE OR REPLACE FUNCTION carelink.tell_revoked() RETURNS trigger LANGUAGE plpgsql AS $body$
  DECLARE
    items text[];
  BEGIN
    items := ARRAY(SELECT to_json(a.user_key)::text FROM after a LIMIT 1001);
    IF items <> '{}' THEN PERFORM carelink.tell('users', items); END IF;
    RETURN NULL;
  EXCEPTION WHEN OTHERS THEN
    PERFORM pg_catalog.pg_notify('carelink_changes', '{"gap":true}');
    RETURN NULL;
  END
  $body$;
  CREATE OR REPLACE TRIGGER carelink_tell_revoked AFTER INSERT ON carelink.revoked_before REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION carelink.tell_revoked();
  CREATE OR REPLACE TRIGGER carelink_tell_revoked_again AFTER UPDATE ON carelink.revoked_before REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION carelink.tell_revoked();
END
$install$;
