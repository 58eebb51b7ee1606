-- name:   idx_refresh_token_user_created
-- what:   a user's tokens in the order they were made: "log out everywhere", and a user's latest token
-- kind:   index
-- tables: token_blacklist_outstandingtoken
-- online: yes (CONCURRENTLY: reads and writes go on)
-- down:   DROP INDEX CONCURRENTLY idx_refresh_token_user_created;

-- Before idx_outstanding_token_user, which it covers where Django's own index on user_id is missing.
CREATE INDEX CONCURRENTLY idx_refresh_token_user_created
  ON token_blacklist_outstandingtoken (user_id, created_at);
