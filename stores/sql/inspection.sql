-- table_bytes --
-- How large a table and its ordinary indexes are; no row when there is no such table.
SELECT COALESCE(data_length, 0) + COALESCE(index_length, 0) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = :table

-- indexed_files --
-- Where the files are that documents were made of.
SELECT kb_root.path AS directory, kb_document.path
FROM kb_document JOIN kb_root ON kb_root.name = kb_document.root
WHERE kb_document.chunks > 0 ORDER BY kb_document.root, kb_document.path
