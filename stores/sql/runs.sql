-- can_be_held --
-- Say whether there are rows to lock and to write while a root is indexed.
SELECT COUNT(*) FROM kb_indexing JOIN kb_indexing_run USING (root) WHERE root = :root

-- add_lock --
-- Write the row that is locked while a root is indexed.
INSERT IGNORE INTO kb_indexing (root) VALUES (:root)

-- add_run --
-- Write the row that says which run indexes a root.
INSERT IGNORE INTO kb_indexing_run (root) VALUES (:root)

-- lock --
-- Lock the row of a root that is indexed; NOWAIT, so that a waiting run can say that it waits.
SELECT root FROM kb_indexing WHERE root = :root FOR UPDATE NOWAIT

-- node --
-- Name the server on which a lock is held.
SELECT CONCAT(@@hostname, ':', @@port)

-- take --
-- Say that a root is a run's, unless one that holds it on another node has given a sign of life.
UPDATE kb_indexing_run SET owner = :owner, node = :node, beat_at = UTC_TIMESTAMP(6)
WHERE root = :root AND (owner IS NULL OR node = :node
  OR beat_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND)

-- beat --
-- Give a sign of life; no row changes when the root is another run's.
UPDATE kb_indexing_run SET beat_at = UTC_TIMESTAMP(6) WHERE root = :root AND owner = :owner

-- end --
-- Say that a run is over.
UPDATE kb_indexing_run SET owner = NULL, node = NULL WHERE root = :root AND owner = :owner

-- under_way --
-- List the roots that a run indexes.
SELECT root FROM kb_indexing_run
WHERE owner IS NOT NULL AND beat_at > UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND
