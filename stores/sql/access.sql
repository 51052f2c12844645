-- rules --
-- Read by which rules the audiences were made.
SELECT digest FROM kb_access_rules WHERE id = 1

-- hold_rules --
-- Read by which rules the audiences were made, and keep them from changing until the transaction ends.
SELECT digest FROM kb_access_rules WHERE id = 1 LOCK IN SHARE MODE

-- lock_rules --
-- Read by which rules the audiences were made, when all who write by them have done so.
SELECT digest FROM kb_access_rules WHERE id = 1 FOR UPDATE

-- set_rules --
-- Note by which rules the audiences are made, and that they have changed.
UPDATE kb_access_rules SET digest = :digest, version = version + 1 WHERE id = 1

-- note_change --
-- Note that audiences have changed without their documents.
UPDATE kb_access_rules SET version = version + 1 WHERE id = 1

-- add --
-- Write a group of a demand of an audience, which another one may have done.
INSERT IGNORE INTO kb_audience (id, demand, group_name, demands)
VALUES (:id, :demand, :group_name, :demands)

-- known --
-- List the groups of all audiences.
SELECT id, demand, group_name, demands FROM kb_audience ORDER BY id, demand, group_name

-- documents --
-- List the documents with their audiences.
SELECT id, root, path, audience FROM kb_document

-- marks --
-- List what the chunks of documents without an audience say of who may see them.
SELECT DISTINCT document_id AS id, JSON_EXTRACT(chunk.metadata, '$.groups') AS mark
FROM kb_document JOIN {table} AS chunk
  ON chunk.document_id = CONVERT(kb_document.id USING utf8mb4) COLLATE utf8mb4_nopad_bin
WHERE kb_document.audience IS NULL AND JSON_EXISTS(chunk.metadata, '$.groups')

-- marks_of --
-- List what the chunks of one document say of who may see it.
SELECT DISTINCT JSON_EXTRACT(metadata, '$.groups') AS mark
FROM {table} WHERE document_id = :id AND JSON_EXISTS(metadata, '$.groups')

-- audience_of --
-- Read the audience of a document.
SELECT audience FROM kb_document WHERE id = :id

-- set --
-- Set the audience of a document.
UPDATE kb_document SET audience = :audience WHERE id = :id

-- given --
-- Read the groups that somebody gave to documents.
SELECT id, group_name FROM kb_document_group WHERE id IN :ids ORDER BY id, group_name

-- hold_given --
-- Read the groups that somebody gave to documents, as they are now; nobody gives others meanwhile.
SELECT id, group_name FROM kb_document_group WHERE id IN :ids
ORDER BY id, group_name LOCK IN SHARE MODE

-- all_given --
-- Read the groups that somebody gave to any document.
SELECT id, group_name FROM kb_document_group ORDER BY id, group_name

-- take_back --
-- Forget the groups that somebody gave to a document.
DELETE FROM kb_document_group WHERE id = :id

-- give --
-- Give a group to a document.
INSERT INTO kb_document_group (id, group_name) VALUES (:id, :group_name)

-- id_at --
-- Read the id of the document at a place.
SELECT id FROM kb_document WHERE root = :root AND path = :path

-- place --
-- Read where a document is, whose audience nobody sets meanwhile.
SELECT root, path FROM kb_document WHERE id = :id FOR UPDATE
