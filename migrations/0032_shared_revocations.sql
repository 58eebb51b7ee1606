-- name:   shared_revocations
-- what:   what was revoked before it was written down whose this schema is; another Django of the database takes it over
-- kind:   schema
-- makes:  carelink.shared_revocations
-- online: no (one short transaction; takes no lock on any table of Django's)
-- down:   DROP TABLE carelink.shared_revocations;

-- Servers of an older release worked with this schema whichever Django they served. A Django that gets a schema of its own
-- now would forget what it revoked. On a database that was never shared the table is empty.
CREATE TABLE carelink.shared_revocations (
  user_key text PRIMARY KEY,
  at timestamptz NOT NULL
);
INSERT INTO carelink.shared_revocations (user_key, at) SELECT user_key, at FROM carelink.revoked_before;
