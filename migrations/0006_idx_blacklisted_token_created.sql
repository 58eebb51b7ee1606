-- name:   idx_blacklisted_token_created
-- what:   blacklisted tokens by the time they were blacklisted: for reports of the site's own; no statement of this tool reads it
-- kind:   index
-- tables: token_blacklist_blacklistedtoken
-- online: yes (CONCURRENTLY: reads and writes go on)
-- down:   DROP INDEX CONCURRENTLY idx_blacklisted_token_created;

CREATE INDEX CONCURRENTLY idx_blacklisted_token_created
  ON token_blacklist_blacklistedtoken (blacklisted_at);
