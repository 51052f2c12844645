-- The hash of a content that could not be read, so that it is not read again as long as it stays.
ALTER TABLE kb_document ADD COLUMN IF NOT EXISTS
  failed_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER content_hash;

-- The only files of its directory that a job is about, and whether they are read again as they are.
ALTER TABLE kb_job
  ADD COLUMN IF NOT EXISTS only_files JSON NULL AFTER root,
  ADD COLUMN IF NOT EXISTS retry BOOLEAN NOT NULL DEFAULT FALSE AFTER prune;

-- What each key has uploaded; the id is that of the document.
CREATE TABLE IF NOT EXISTS kb_upload (
  id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  uploaded_by VARCHAR(190) NOT NULL,
  bytes BIGINT UNSIGNED NOT NULL,
  KEY uploaded_by (uploaded_by)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
