-- list_begun --
-- List the databases in which a knowledge base was begun.
SELECT table_schema FROM information_schema.tables WHERE table_name = 'kb_schema'
ORDER BY table_schema

-- has_schema --
-- Say whether a knowledge base was begun in this database.
SELECT COUNT(*) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = 'kb_schema'

-- version --
-- Read the number of the last migration.
SELECT version FROM kb_schema WHERE id = 1

-- create_schema --
-- Where the number of the last migration is kept.
CREATE TABLE IF NOT EXISTS kb_schema (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  version INT UNSIGNED NOT NULL
) ENGINE=InnoDB

-- begin_schema --
-- The one row, at first without any migration.
INSERT IGNORE INTO kb_schema (id, version) VALUES (1, 0)

-- lock_schema --
-- Wait for whoever is migrating, and keep others waiting until commit.
SELECT version FROM kb_schema WHERE id = 1 FOR UPDATE

-- set_schema --
-- Note that the migrations up to this one are done.
UPDATE kb_schema SET version = :version WHERE id = 1

-- collection --
-- A collection by its name.
SELECT name, chunk_table, embedding_model, dimension FROM kb_collection WHERE name = :name

-- add_collection --
-- A new collection; whoever comes second keeps the first one's.
INSERT IGNORE INTO kb_collection (name, chunk_table, embedding_model, dimension)
VALUES (:name, :chunk_table, :embedding_model, :dimension)

-- root_path --
-- Find where a root was last seen.
SELECT path FROM kb_root WHERE name = :name

-- set_root --
-- Note where a root was seen just now.
INSERT INTO kb_root (name, path) VALUES (:name, :path)
ON DUPLICATE KEY UPDATE path = VALUES(path), indexed_at = UTC_TIMESTAMP(6)

-- roots --
-- List all roots with the number of documents in each.
SELECT kb_root.name, kb_root.path, kb_root.indexed_at, COUNT(kb_document.id) AS documents
FROM kb_root LEFT JOIN kb_document ON kb_document.root = kb_root.name AND kb_document.chunks > 0
GROUP BY kb_root.name, kb_root.path, kb_root.indexed_at ORDER BY kb_root.name

-- visible_roots --
-- List the roots of documents that some groups may see, with their number in each.
SELECT kb_root.name, kb_root.path, kb_root.indexed_at, COUNT(IF(chunks > 0, 1, NULL)) AS documents
FROM kb_root JOIN kb_document ON kb_document.root = kb_root.name
WHERE {visible} GROUP BY kb_root.name, kb_root.path, kb_root.indexed_at ORDER BY kb_root.name

-- documents --
-- Read what is known of the files of a root, and count their chunks that are really there.
SELECT id, path, title, size, status, reason, content_hash, failed_hash, chunks,
  (SELECT COUNT(*) FROM {table} AS chunk WHERE chunk.document_id = kb_document.id) AS stored
FROM kb_document WHERE root = :root

-- content_hash --
-- Read the hash of the content that is indexed of a document.
SELECT content_hash FROM kb_document WHERE id = :id

-- claim_document --
-- Have a row of a document before it is put, so that others that put it wait.
INSERT INTO kb_document (id, root, path, status, checked_at)
VALUES (:id, :root, :path, 'indexed', UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE id = VALUES(id)

-- put_document --
-- Note that a file is indexed as it is now, for those alone who see everything until its audience is set.
INSERT INTO kb_document (id, root, path, status, reason, content_hash, size, modified_at,
  media_type, title, language, chunks, indexed_at, checked_at)
VALUES (:id, :root, :path, 'indexed', NULL, :content_hash, :size, :modified_at,
  :media_type, :title, :language, :chunks, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE status = 'indexed', reason = NULL, failed_hash = NULL, content_hash = VALUES(content_hash),
  size = VALUES(size), modified_at = VALUES(modified_at), media_type = VALUES(media_type),
  title = VALUES(title), language = VALUES(language), chunks = VALUES(chunks),
  indexed_at = VALUES(indexed_at), checked_at = VALUES(checked_at), audience = NULL

-- chunks_between --
-- Find the chunks of a part of a document by the bounds of their ids.
SELECT chunk_id FROM {table} WHERE document_id = :id AND chunk_id >= :first AND chunk_id < :behind

-- fail_document --
-- Note that a file cannot be read; what was last indexed of it stays.
INSERT INTO kb_document (id, root, path, status, reason, failed_hash, checked_at)
VALUES (:id, :root, :path, 'failed', :reason, :failed_hash, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE status = 'failed', reason = VALUES(reason),
  failed_hash = VALUES(failed_hash), checked_at = VALUES(checked_at)

-- move_document --
-- Note that a document has another path; one that must be read again counts as not indexed.
UPDATE kb_document SET path = :path, checked_at = UTC_TIMESTAMP(6),
  content_hash = IF(:read_again, NULL, content_hash)
WHERE id = :id

-- move_chunks --
-- Have the chunks of a document say its path, before that of a file inside of it.
UPDATE {table} SET metadata = JSON_SET(
  metadata, '$.path', CONCAT(:path, SUBSTRING(JSON_VALUE(metadata, '$.path'), :inside))
) WHERE document_id = :id

-- remove_document --
-- Delete what is known of a file that is gone.
DELETE FROM kb_document WHERE id = :id

-- note_removal --
-- Tell the answers that cite a document when it was removed.
UPDATE kb_cited_passage SET removed_at = UTC_TIMESTAMP(6) WHERE document_id = :id

-- forget_upload --
-- Delete the note of who uploaded a file: who did may keep another in its place.
DELETE FROM kb_upload WHERE id = :id

-- forget_root --
-- Delete the name of a directory, unless documents are known below it.
DELETE FROM kb_root
WHERE name = :root AND NOT EXISTS (SELECT 1 FROM kb_document WHERE kb_document.root = :root)

-- has_documents --
-- Say whether the knowledge base has any document; the first one will do.
SELECT EXISTS (SELECT 1 FROM kb_document WHERE chunks > 0)

-- failures --
-- List the files that could not be read, each with its reason.
SELECT root, path, reason, chunks FROM kb_document WHERE status = 'failed' ORDER BY root, path

-- visible_failures --
-- List the files that could not be read of those that some groups may see.
SELECT root, path, reason, chunks FROM kb_document
WHERE status = 'failed' AND {visible} ORDER BY root, path

-- known_embeddings --
-- Find the vectors of texts that were embedded before.
SELECT text_hash, embedding FROM kb_embedding
WHERE model = :model AND dimension = :dimension AND text_hash IN :hashes

-- remember_embedding --
-- Keep the vector of a text.
INSERT IGNORE INTO kb_embedding (model, dimension, text_hash, embedding)
VALUES (:model, :dimension, :text_hash, :embedding)

-- release_embeddings --
-- Forget the vectors of texts that chunks hold by now.
DELETE FROM kb_embedding
WHERE model = :model AND dimension = :dimension AND text_hash IN :hashes

-- forget_old_embeddings --
-- Forget vectors that no chunk took in a month.
DELETE FROM kb_embedding WHERE kept_at < UTC_TIMESTAMP() - INTERVAL 30 DAY
