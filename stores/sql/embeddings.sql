-- other --
-- The second table of a collection.
SELECT name, chunk_table, embedding_model, dimension, state, since FROM kb_other_collection
WHERE name = :name

-- add_other --
-- Note a second table; whoever comes second keeps the first one's.
INSERT IGNORE INTO kb_other_collection (name, chunk_table, embedding_model, dimension, state)
VALUES (:name, :chunk_table, :embedding_model, :dimension, 'next')

-- forget_other --
-- Forget the second table of a collection.
DELETE FROM kb_other_collection WHERE name = :name

-- forget_documents --
-- Forget what the second table holds.
DELETE FROM kb_other_document

-- without_document --
-- Say whether chunks belong to no document, which a program has written past kb.
SELECT EXISTS (SELECT 1 FROM {table} WHERE document_id IS NULL)

-- versions --
-- Each document of a table with the keys of its chunks and a hash of its path.
SELECT version.document_id, version.chunks, version.first_key, version.last_key,
  UNHEX(MD5(COALESCE(kb_document.path, ''))) AS path_hash
FROM (
  SELECT document_id, COUNT(*) AS chunks, MIN(seq) AS first_key, MAX(seq) AS last_key
  FROM {table} WHERE document_id IS NOT NULL AND {where} GROUP BY document_id
) AS version
LEFT JOIN kb_document
  ON kb_document.id = CONVERT(version.document_id USING ascii) COLLATE ascii_bin

-- some_documents --
-- Of some documents.
document_id IN :ids

-- every_document --
-- Of all documents.
TRUE

-- differing --
-- Documents that the second table holds in another version, or not.
SELECT there.document_id AS id, there.chunks FROM ({versions}) AS there
LEFT JOIN kb_other_document AS known ON known.document_id = there.document_id
WHERE known.document_id IS NULL OR known.chunks <> there.chunks
  OR known.first_key <> there.first_key OR known.last_key <> there.last_key
  OR known.path_hash <> there.path_hash
LIMIT :limit

-- gone --
-- Documents that the second table holds and the living one does not any more.
SELECT known.document_id AS id FROM kb_other_document AS known
WHERE NOT EXISTS (SELECT 1 FROM {table} AS chunk WHERE chunk.document_id = known.document_id)
LIMIT :limit

-- left --
-- How many documents, chunks and characters are still to be embedded.
SELECT COUNT(DISTINCT chunk.document_id) AS documents, COUNT(*) AS chunks,
  COALESCE(SUM(CHAR_LENGTH(chunk.text)), 0) AS characters
FROM ({versions}) AS there
LEFT JOIN kb_other_document AS known ON known.document_id = there.document_id
  AND known.chunks = there.chunks AND known.first_key = there.first_key
  AND known.last_key = there.last_key AND known.path_hash = there.path_hash
JOIN {table} AS chunk ON chunk.document_id = there.document_id
WHERE known.document_id IS NULL

-- sample --
-- Some chunks, to measure with how long a model takes.
SELECT chunk_id, document_id, text, metadata, node FROM {table} ORDER BY seq LIMIT :limit

-- note_version --
-- Note which version of a document the second table holds.
REPLACE INTO kb_other_document (document_id, chunks, first_key, last_key, path_hash)
VALUES (:document_id, :chunks, :first_key, :last_key, :path_hash)

-- note_all_versions --
-- Note that the second table holds each document as it is.
INSERT INTO kb_other_document (document_id, chunks, first_key, last_key, path_hash) {versions}

-- forget_version --
-- Forget documents that the second table does not hold any more.
DELETE FROM kb_other_document WHERE document_id IN :ids

-- lock_collection --
-- Wait for all who write to a collection, and keep them waiting until the commit.
SELECT chunk_table FROM kb_collection WHERE name = :name FOR UPDATE

-- hold_collection --
-- Keep the collection from being switched until the commit, and read which table is its.
SELECT chunk_table FROM kb_collection WHERE name = :name LOCK IN SHARE MODE

-- is_other --
-- Say which model a second table is of.
SELECT embedding_model FROM kb_other_collection WHERE chunk_table = :table

-- switch_collection --
-- Have the collection answer from another table.
UPDATE kb_collection SET chunk_table = :chunk_table, embedding_model = :embedding_model,
  dimension = :dimension
WHERE name = :name

-- put_former --
-- Note the table that was left.
REPLACE INTO kb_other_collection (name, chunk_table, embedding_model, dimension, state)
VALUES (:name, :chunk_table, :embedding_model, :dimension, 'former')

-- missing_memories --
-- What chats remember, of sessions that are there, and another table does not hold.
SELECT chunk_id, document_id, text, metadata, node FROM {memory} AS known
WHERE EXISTS (SELECT 1 FROM kb_session WHERE id = JSON_VALUE(metadata, '$.session_id') COLLATE utf8mb4_nopad_bin)
  AND NOT EXISTS (SELECT 1 FROM {other} AS other WHERE other.chunk_id = known.chunk_id)
LIMIT :limit

-- remove_forgotten --
-- Delete what a table holds of sessions that are not there any more.
DELETE FROM {other} WHERE NOT EXISTS (
  SELECT 1 FROM kb_session WHERE id = JSON_VALUE(metadata, '$.session_id') COLLATE utf8mb4_nopad_bin
)

-- drop_tables --
-- Remove a chunk table, the postings and the memory of chats that belong to it.
DROP TABLE IF EXISTS {table}, {fresh}, {term}, {gone}, {memory}
