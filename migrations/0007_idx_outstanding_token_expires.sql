-- name:   idx_outstanding_token_expires
-- what:   expired tokens in order: the cleanup takes its batches from here, with (expires_at, id) as its cursor
-- kind:   index
-- tables: token_blacklist_outstandingtoken
-- online: yes (CONCURRENTLY: reads and writes go on)
-- down:   DROP INDEX CONCURRENTLY idx_outstanding_token_expires;

-- With id, so that a batch that ends amid rows of one second can be gone on with exactly where it ended.
CREATE INDEX CONCURRENTLY idx_outstanding_token_expires
  ON token_blacklist_outstandingtoken (expires_at, id);
