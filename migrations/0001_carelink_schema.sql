-- name:   carelink_schema
-- what:   our own objects, apart from Django's: users whose tokens up to a time are revoked
-- kind:   schema
-- makes:  carelink.revoked_before
-- online: no (one short transaction; takes no lock on any table of Django's)
-- down:   DROP TABLE carelink.revoked_before;

-- The schema itself is there by now: the runner keeps its ledger in it. CREATE SCHEMA IF NOT EXISTS would want the
-- right to create schemas even where a database's owner has made this one for us.

-- Revokes tokens that have no row to blacklist (simplejwt 5.2 records no successor of a rotation): a claim
-- compares the token's iat with `at`. user_key is the user id as the token names it.
CREATE TABLE carelink.revoked_before (
  user_key text PRIMARY KEY,
  at timestamptz NOT NULL
);
