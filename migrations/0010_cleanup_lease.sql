-- name:   cleanup_lease
-- what:   who is cleaning up, so that over all instances there is one; kept as a row, which a pooler can't strand
-- kind:   schema
-- makes:  carelink.cleanup_lease
-- online: no (one short transaction; takes no lock on any table of Django's)
-- down:   DROP TABLE carelink.cleanup_lease;

-- A session's advisory lock would be left behind in a pooler's connection, and a transaction's isn't held between
-- batches. Each batch renews the lease in its own transaction: a runner that was taken over can't commit another one.
CREATE TABLE carelink.cleanup_lease (
  name text PRIMARY KEY,
  -- Null: nobody's.
  owner uuid,
  -- For people: which process on which host.
  holder text,
  expires_at timestamptz NOT NULL,
  -- When a run last came to its end: with a schedule in each of many instances, one of them is enough.
  finished_at timestamptz
);
