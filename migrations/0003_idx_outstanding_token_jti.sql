-- name:   idx_outstanding_token_jti
-- what:   finds a token by its jti; as a rule Django's unique constraint on jti does that already, and it isn't built
-- kind:   index
-- tables: token_blacklist_outstandingtoken
-- online: yes (CONCURRENTLY: reads and writes go on)
-- down:   DROP INDEX CONCURRENTLY idx_outstanding_token_jti;

CREATE INDEX CONCURRENTLY idx_outstanding_token_jti
  ON token_blacklist_outstandingtoken (jti);
