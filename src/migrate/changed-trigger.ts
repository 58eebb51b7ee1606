import { channelOf } from '../store/own-schema.js';
import { activeSql, type UserSource } from '../store/user-source.js';

/**
 * What replaces the function of the migration `notify_changes` where no boolean says who is active: that one compares
 * booleans, and would tell of every change of a user that anything may have changed.
 */
export function changedTriggerSql(users: UserSource, own: string): string {
  const { keyColumn } = users;
  const active = activeSql(users);
  return `
    CREATE OR REPLACE FUNCTION ${own}.tell_users_changed() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
      items text[];
    BEGIN
      items := ARRAY(
        SELECT to_json(u.key::text)::text
          FROM (SELECT ${keyColumn} AS key, ${active} AS active FROM before
                UNION ALL
                SELECT ${keyColumn}, ${active} FROM after) AS u
         GROUP BY u.key
        HAVING count(*) <> 2 OR count(u.active) = 1 OR bool_and(u.active) IS DISTINCT FROM bool_or(u.active)
         LIMIT 1001);
      IF items <> '{}' THEN PERFORM ${own}.tell('users', items); END IF;
      RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
      PERFORM pg_catalog.pg_notify('${channelOf(own)}', '{"gap":true}');
      RETURN NULL;
    END
    $body$`;
}
