-- kept --
-- Read what a key has uploaded and is still there; nobody adds to it meanwhile.
SELECT id, bytes FROM kb_upload WHERE uploaded_by = :uploaded_by FOR UPDATE

-- keep --
-- Note that a file is the key's, also in the place of another's.
INSERT INTO kb_upload (id, uploaded_by, bytes) VALUES (:id, :uploaded_by, :bytes)
ON DUPLICATE KEY UPDATE uploaded_by = VALUES(uploaded_by), bytes = VALUES(bytes)

-- content_of --
-- Read which content an uploaded file has; nobody changes it meanwhile.
SELECT sha256 FROM kb_uploaded_file WHERE path = :path FOR UPDATE

-- hold_content --
-- Keep a content that is there; written and not only locked, as another node of a cluster sees no lock.
UPDATE kb_upload_content SET kept_at = UTC_TIMESTAMP(6) WHERE sha256 = :sha256

-- add_content --
-- A new content, whose pieces follow in the same transaction.
INSERT INTO kb_upload_content (sha256, bytes) VALUES (:sha256, :bytes)

-- add_piece --
-- A piece of a content.
INSERT INTO kb_upload_piece (sha256, number, content) VALUES (:sha256, :number, :content)

-- name_content --
-- Have a path stand for a content, also in the place of another one.
INSERT INTO kb_uploaded_file (path, sha256, modified_at) VALUES (:path, :sha256, :modified_at)
ON DUPLICATE KEY UPDATE sha256 = VALUES(sha256), modified_at = VALUES(modified_at)

-- remove_name --
-- Forget an uploaded file.
DELETE FROM kb_uploaded_file WHERE path = :path

-- release_content --
-- Forget a content for which no path stands any more.
DELETE FROM kb_upload_content
WHERE sha256 = :sha256 AND NOT EXISTS (SELECT 1 FROM kb_uploaded_file WHERE sha256 = :sha256)

-- remove_pieces --
-- Delete the bytes of a content that is forgotten.
DELETE FROM kb_upload_piece WHERE sha256 = :sha256

-- stored --
-- List the uploaded files that are kept here, or one of them.
SELECT path, sha256, bytes, modified_at
FROM kb_uploaded_file JOIN kb_upload_content USING (sha256)
WHERE :path IS NULL OR path = :path ORDER BY path

-- obstacle --
-- Find a file that is where a folder of a path should be, or one in a folder of its name.
SELECT path FROM kb_uploaded_file WHERE path IN :folders OR path LIKE :below LIMIT 1

-- any_stored --
-- Say whether uploaded files are kept here.
SELECT EXISTS (SELECT 1 FROM kb_uploaded_file)

-- piece --
-- Read one piece of a content.
SELECT content FROM kb_upload_piece WHERE sha256 = :sha256 AND number = :number

-- mark --
-- Note the id of the directory of uploads, unless another server was quicker.
INSERT IGNORE INTO kb_upload_directory (id, marker) VALUES (1, :marker)

-- marker --
-- Read the id of the directory of uploads.
SELECT marker FROM kb_upload_directory WHERE id = 1
