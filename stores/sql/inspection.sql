-- table_bytes --
-- How large a table and its ordinary indexes are; no row when there is no such table.
SELECT COALESCE(data_length, 0) + COALESCE(index_length, 0) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = :table

-- indexed_files --
-- Where the files are that documents were made of.
SELECT kb_root.path AS directory, kb_document.path
FROM kb_document JOIN kb_root ON kb_root.name = kb_document.root
WHERE kb_document.chunks > 0 AND kb_root.path IS NOT NULL
ORDER BY kb_document.root, kb_document.path

-- key_range --
-- The first and the last key of a chunk table.
SELECT MIN(seq) AS first, MAX(seq) AS last FROM `{table}`

-- health --
-- Look at the first chunk from each of some keys on: which there are, and whether each has no direction,
-- as its vector is all zeros.
SELECT seq, VEC_DISTANCE_EUCLIDEAN(embedding, :zero) = 0 AS has_no_direction
FROM `{table}` AS chunk
JOIN (
  SELECT DISTINCT (SELECT seq FROM `{table}` WHERE seq >= asked.seq ORDER BY seq LIMIT 1) AS seq
  FROM JSON_TABLE(:keys, '$[*]' COLUMNS (seq INT UNSIGNED PATH '$')) AS asked
) AS looked_at USING (seq)
