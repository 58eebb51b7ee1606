-- name:   autovacuum_outstanding
-- what:   vacuums and analyses the outstanding tokens by what a shift writes, not by a fifth of the table
-- kind:   settings
-- tables: token_blacklist_outstandingtoken
-- online: no (SHARE UPDATE EXCLUSIVE for a moment: reads and writes go on)
-- down:   ALTER TABLE token_blacklist_outstandingtoken RESET (autovacuum_vacuum_scale_factor,
--           autovacuum_vacuum_threshold, autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold,
--           autovacuum_analyze_scale_factor, autovacuum_analyze_threshold);

-- Rows are inserted and deleted, never updated. PostgreSQL's defaults wait for 20 % dead rows: at 1,000,000 rows
-- that is a week of cleanup, during which every look-up of expired tokens wades through dead index entries.
--   vacuum:  2 % + 5,000 dead rows: each large cleanup run is followed by one vacuum, a small one is not.
--   insert:  10 % + 10,000 new rows: keeps the visibility map, and so index-only scans, in step with a shift.
--   analyze: 2 % + 5,000: expires_at and created_at only grow; what is newer than the last analyze is beyond the
--            histogram, where the planner has to guess.
ALTER TABLE token_blacklist_outstandingtoken SET (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_vacuum_insert_threshold = 10000,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 5000
);
