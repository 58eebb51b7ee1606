-- name:   autovacuum_blacklisted
-- what:   the same for the blacklisted tokens, one of which goes with each outstanding one that the cleanup takes
-- kind:   settings
-- tables: token_blacklist_blacklistedtoken
-- online: no (SHARE UPDATE EXCLUSIVE for a moment: reads and writes go on)
-- down:   ALTER TABLE token_blacklist_blacklistedtoken RESET (autovacuum_vacuum_scale_factor,
--           autovacuum_vacuum_threshold, autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold,
--           autovacuum_analyze_scale_factor, autovacuum_analyze_threshold);

-- The reasons are in 0008_autovacuum_outstanding.sql.
ALTER TABLE token_blacklist_blacklistedtoken SET (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_vacuum_insert_threshold = 10000,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 5000
);
