-- name:   identity
-- what:   a random id of this database, by which its servers know their own Redis from another system's
-- kind:   schema
-- makes:  carelink.identity
-- online: no (one short transaction; takes no lock on any table of Django's)
-- down:   DROP TABLE carelink.identity;

-- One row. A copy of the database has the same id: it needs another Redis database, or a --redis-prefix of its own.
CREATE TABLE carelink.identity (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO carelink.identity DEFAULT VALUES;

-- The id is no secret. Every role that may use this schema has to know it, those of older grants, too.
GRANT SELECT ON carelink.identity TO PUBLIC;
