-- Each knowledge base: where its chunks are and which embedding model made their vectors.
CREATE TABLE IF NOT EXISTS kb_collection (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  chunk_table VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  embedding_model VARCHAR(255) NOT NULL,
  dimension SMALLINT UNSIGNED NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Each indexed directory: its name, and where it was last seen.
CREATE TABLE IF NOT EXISTS kb_root (
  name VARCHAR(190) NOT NULL PRIMARY KEY,
  path TEXT NOT NULL,
  indexed_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- One row a run holds while it indexes a root; a dead run lets go of it with its connection.
CREATE TABLE IF NOT EXISTS kb_indexing (
  root VARCHAR(190) NOT NULL PRIMARY KEY
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Each file: what was indexed of it, and what went wrong.
CREATE TABLE IF NOT EXISTS kb_document (
  id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  root VARCHAR(190) NOT NULL,
  path TEXT NOT NULL,
  status ENUM('indexed', 'failed') NOT NULL,
  reason TEXT NULL,
  content_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  size BIGINT UNSIGNED NULL,
  modified_at DATETIME(6) NULL,
  media_type VARCHAR(190) NULL,
  title TEXT NULL,
  language VARCHAR(16) NULL,
  chunks INT UNSIGNED NOT NULL DEFAULT 0,
  indexed_at DATETIME(6) NULL,
  checked_at DATETIME(6) NOT NULL,
  KEY root (root, status)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Embeddings by the text that they were made of.
CREATE TABLE IF NOT EXISTS kb_embedding (
  model VARCHAR(255) NOT NULL,
  dimension SMALLINT UNSIGNED NOT NULL,
  text_hash BINARY(32) NOT NULL,
  embedding BLOB NOT NULL,
  PRIMARY KEY (model, dimension, text_hash)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
