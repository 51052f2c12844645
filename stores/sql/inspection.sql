-- table_bytes --
-- How large a table and its ordinary indexes are; no row when there is no such table.
SELECT COALESCE(data_length, 0) + COALESCE(index_length, 0) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = :table
