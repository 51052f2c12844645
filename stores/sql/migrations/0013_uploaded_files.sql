-- The contents of uploaded files, each once, so that every server has them and a backup holds them.
CREATE TABLE IF NOT EXISTS kb_upload_content (
  sha256 BINARY(32) NOT NULL PRIMARY KEY,
  bytes BIGINT UNSIGNED NOT NULL,
  kept_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- The bytes of a content, in pieces that are small enough for any packet; numbered from 0.
CREATE TABLE IF NOT EXISTS kb_upload_piece (
  sha256 BINARY(32) NOT NULL,
  number INT UNSIGNED NOT NULL,
  content MEDIUMBLOB NOT NULL,
  PRIMARY KEY (sha256, number)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- The uploaded files by their paths in the root of uploads, and the content of each.
CREATE TABLE IF NOT EXISTS kb_uploaded_file (
  path VARCHAR(700) NOT NULL PRIMARY KEY,
  sha256 BINARY(32) NOT NULL,
  modified_at DATETIME(6) NOT NULL,
  KEY sha256 (sha256)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- The id in the directory of uploads, if they are kept in one: by it a server knows the shared one.
CREATE TABLE IF NOT EXISTS kb_upload_directory (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  marker CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Who can see the path of a job: the name of a machine, or the id of the shared directory of uploads;
-- NULL when everybody can.
ALTER TABLE kb_job ADD COLUMN IF NOT EXISTS seen_by VARCHAR(190) NULL AFTER root;
