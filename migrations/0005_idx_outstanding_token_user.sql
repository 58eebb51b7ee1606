-- name:   idx_outstanding_token_user
-- what:   a user's tokens; as a rule Django's own index on user_id does that already, and it isn't built
-- kind:   index
-- tables: token_blacklist_outstandingtoken
-- online: yes (CONCURRENTLY: reads and writes go on)
-- down:   DROP INDEX CONCURRENTLY idx_outstanding_token_user;

CREATE INDEX CONCURRENTLY idx_outstanding_token_user
  ON token_blacklist_outstandingtoken (user_id);
