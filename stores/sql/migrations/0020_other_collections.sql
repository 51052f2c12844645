-- A second chunk table of a collection, in the vectors of another embedding model: the next one, or
-- the former one, which is the way back.
CREATE TABLE IF NOT EXISTS kb_other_collection (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  chunk_table VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  embedding_model VARCHAR(255) NOT NULL,
  dimension SMALLINT UNSIGNED NOT NULL,
  state ENUM('next', 'former') NOT NULL,
  since DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Which version of a document it holds: the chunks of the living table that were copied, by their keys.
CREATE TABLE IF NOT EXISTS kb_other_document (
  document_id VARCHAR(512) NOT NULL PRIMARY KEY,
  chunks INT UNSIGNED NOT NULL,
  first_key INT UNSIGNED NOT NULL,
  last_key INT UNSIGNED NOT NULL,
  path_hash BINARY(16) NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
