-- list --
-- List the files that match, in an order.
SELECT id, root, path, status, reason, size, modified_at, media_type, title, language, chunks,
  indexed_at, checked_at
FROM kb_document WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset

-- some --
-- Some of the files that match, from an id on: ids are hashes, so that their order is nobody's.
SELECT id, root, path, status, reason, size, modified_at, media_type, title, language, chunks,
  indexed_at, checked_at
FROM kb_document WHERE {where} AND id >= :behind ORDER BY id LIMIT :limit

-- count --
-- Count the files that match.
SELECT COUNT(*) FROM kb_document WHERE {where}

-- folders --
-- Count the files that match by the folder that they are in, or in a folder of; `depth` is where in
-- their paths its name begins.
SELECT SUBSTRING_INDEX(SUBSTRING(path, :depth), '/', 1) AS name, COUNT(*) AS documents
FROM kb_document WHERE {where} AND LOCATE('/', path, :depth) > 0 GROUP BY name ORDER BY name

-- by_name_first --
-- Order files by their directories and paths.
root {direction}, path {direction}

-- by_status_first --
-- Order files by their status.
status {direction}, root, path

-- by_passages_first --
-- Order files by the number of their passages.
chunks {direction}, root, path

-- by_size_first --
-- Order files by their sizes.
size {direction}, root, path

-- by_time_first --
-- Order files by when they were indexed.
indexed_at {direction}, root, path

-- below_folder --
-- Require files that are in a folder, or in a folder of it.
path LIKE :below

-- directly --
-- Require files that are in no deeper folder; `depth` is where their names begin.
LOCATE('/', path, :depth) = 0

-- by_status --
-- Require a status.
status = :status

-- by_roots --
-- Require one of these indexed directories.
root IN :roots

-- by_words --
-- Require a part of the name or the title, whatever its accents and capitals.
CONCAT_WS(' ', path, title) COLLATE utf8mb4_uca1400_ai_ci LIKE :pattern

-- by_path --
-- Require one file by its directory and its path.
root = :root AND path = :path

-- by_name --
-- Require one file by its directory and its path in one, as people write it.
CONCAT(root, '/', path) = :name

-- passages --
-- The chunks of a document in their order, all or some of them.
SELECT chunk_id AS id, text, metadata FROM {table} WHERE document_id = :id ORDER BY chunk_id
LIMIT :limit OFFSET :offset

-- passages_before --
-- Count the chunks of a document that stand before one of them.
SELECT COUNT(*) FROM {table} WHERE document_id = :id AND chunk_id < :chunk

-- everything --
-- Require nothing: the condition where no other is given.
TRUE

-- values --
-- Count what documents hold under a key of their metadata; it is read from the first chunk of each.
SELECT JSON_EXTRACT(chunk.metadata, :key) AS value, COUNT(*) AS documents
FROM kb_document AS document JOIN {table} AS chunk
  ON chunk.chunk_id = CONVERT(CONCAT(document.id, '\:00000') USING utf8mb4) COLLATE utf8mb4_nopad_bin
WHERE {where} GROUP BY value HAVING value IS NOT NULL
