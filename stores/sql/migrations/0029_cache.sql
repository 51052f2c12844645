-- What was made once and can be made again, for every process: embeddings of questions, results of searches,
-- replies of models, rows. `id` is a digest of all that a value depends on.
CREATE TABLE IF NOT EXISTS kb_cache (
  id BINARY(32) NOT NULL,
  kind VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  value LONGBLOB NOT NULL,
  bytes INT UNSIGNED NOT NULL,
  made_at DATETIME(3) NOT NULL,
  until DATETIME(3) NOT NULL,
  PRIMARY KEY (kind, id),
  KEY kb_cache_made_at (kind, made_at),
  KEY kb_cache_until (until)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
