-- name:   notify_passwords
-- what:   tells every instance within a second of users whose password changed, besides what notify_changes tells
-- kind:   triggers
-- only:   with --notify
-- tables: token_blacklist_blacklistedtoken
-- online: no (one short transaction; CREATE TRIGGER makes writes of a table wait for a moment, reads go on)
-- down:   DROP FUNCTION IF EXISTS carelink.tell_users_changed() CASCADE;

-- The second version of the trigger on users. Its arguments say which version it is, and which column it compares: a
-- server that compares passwords relies on no other. Nothing of a password leaves the trigger.

DO $install$
DECLARE
  users regclass := to_regclass(nullif(current_setting('carelink.user_table', true), ''));
  key_column name := current_setting('carelink.user_id_column', true);
  active_column name := current_setting('carelink.user_active_column', true);
  password_column name := nullif(current_setting('carelink.user_password_column', true), '');
  users_name text;
  active_type regtype;
BEGIN
  IF users IS NULL OR NOT EXISTS (SELECT FROM pg_trigger t
                                   WHERE t.tgrelid = users AND t.tgname = 'carelink_tell_users_changed')
     OR NOT EXISTS (SELECT FROM pg_attribute a
                     WHERE a.attrelid = users AND a.attname = password_column AND NOT a.attisdropped) THEN
    RETURN;
  END IF;
  SELECT format('%I.%I', n.nspname, c.relname) INTO users_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = users;
  SELECT a.atttypid INTO active_type
    FROM pg_attribute a WHERE a.attrelid = users AND a.attname = active_column AND NOT a.attisdropped;

  EXECUTE format($make$
    CREATE OR REPLACE FUNCTION carelink.tell_users_changed() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
      items text[];
    BEGIN
      -- Grouped, not joined, as in notify_changes.
      items := ARRAY(
        SELECT to_json(u.key::text)::text
          FROM (SELECT %1$I AS key, %2$s AS active, %3$I::text AS password FROM before
                UNION ALL
                SELECT %1$I, %2$s, %3$I::text FROM after) AS u
         GROUP BY u.key
        HAVING count(*) <> 2 OR count(u.active) = 1 OR bool_and(u.active) IS DISTINCT FROM bool_or(u.active)
            OR count(u.password) = 1 OR min(u.password) IS DISTINCT FROM max(u.password)
         LIMIT 1001);
      IF items <> '{}' THEN PERFORM carelink.tell('users', items); END IF;
      RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
      PERFORM pg_catalog.pg_notify('carelink_changes', '{"gap":true}');
      RETURN NULL;
    END
    $body$ $make$, key_column,
    CASE WHEN active_type IS NULL THEN 'true'
         WHEN (SELECT coalesce(nullif(t.typbasetype, 0), t.oid) FROM pg_type t WHERE t.oid = active_type) = 'boolean'::regtype
         THEN format('%I', active_column)
         ELSE format('%I <> 0', active_column) END,
    password_column);
  EXECUTE format($make$
    CREATE OR REPLACE TRIGGER carelink_tell_users_changed AFTER UPDATE ON %s
      REFERENCING OLD TABLE AS before NEW TABLE AS after
      FOR EACH STATEMENT EXECUTE FUNCTION carelink.tell_users_changed(2, %L) $make$, users_name, password_column);
END
$install$;
