-- Documents of labelled sets that are searchable, each set in a chunk table of its own.
CREATE TABLE IF NOT EXISTS kb_evaluation_corpus (
  chunk_table VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  set_name VARCHAR(255) NOT NULL,
  embedding_model VARCHAR(255) NOT NULL,
  indexed_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- What one search profile was worth on one labelled set, on one day.
CREATE TABLE IF NOT EXISTS kb_evaluation (
  run INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  created_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  set_name VARCHAR(255) NOT NULL,
  set_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  cutoff SMALLINT UNSIGNED NOT NULL,
  profile VARCHAR(190) NOT NULL,
  settings JSON NOT NULL,
  embedding_model VARCHAR(255) NOT NULL,
  metrics JSON NOT NULL,
  scores LONGTEXT NOT NULL,
  KEY set_name (set_name, run)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
