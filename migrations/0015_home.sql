-- name:   home
-- what:   which schema's Django this schema belongs to, so that a second one on the database is refused
-- kind:   schema
-- makes:  carelink.home
-- online: no (one short transaction; takes no lock on any table of Django's)
-- down:   DROP TABLE carelink.home;

-- Revocations, the cleanup's lease, the triggers' functions and the notification channel are one each a database: two
-- Djangos that shared them would revoke each other's users. `migrate up` writes the row, and no other command does.
CREATE TABLE carelink.home (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  schema text NOT NULL,
  -- Of that schema's tables when migrate last looked: others by their names are tables that were made anew, and what was
  -- done to the old ones is to be done again.
  outstanding oid NOT NULL,
  blacklisted oid NOT NULL
);

-- A schema's name is no secret. Every role that may use this schema has to know it, those of older grants, too.
GRANT SELECT ON carelink.home TO PUBLIC;
