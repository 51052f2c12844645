-- Each search; the question only when the configuration keeps it.
CREATE TABLE IF NOT EXISTS kb_search (
  id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  searched_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  session_id VARCHAR(190) NULL,
  profile VARCHAR(190) NOT NULL,
  question MEDIUMTEXT NULL,
  language VARCHAR(16) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  milliseconds FLOAT NOT NULL,
  results SMALLINT UNSIGNED NOT NULL,
  KEY searched_at (searched_at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- What a search found, best first; citation is the number under which its answer cites the chunk.
CREATE TABLE IF NOT EXISTS kb_search_hit (
  search_id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  hit_rank SMALLINT UNSIGNED NOT NULL,
  chunk_id VARCHAR(512) NOT NULL,
  document_id VARCHAR(512) NULL,
  score FLOAT NOT NULL,
  citation SMALLINT UNSIGNED NULL,
  cited BOOLEAN AS (citation IS NOT NULL),
  PRIMARY KEY (search_id, hit_rank),
  CONSTRAINT kb_search_hit_search FOREIGN KEY (search_id) REFERENCES kb_search (id)
    ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- What people say of a search or of a turn of a chat session; the last rating of each counts.
CREATE TABLE IF NOT EXISTS kb_feedback (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  given_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  search_id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
  session_id VARCHAR(190) NULL,
  turn_id VARCHAR(190) NULL,
  rating TINYINT NULL,
  comment TEXT NULL,
  clicked_rank SMALLINT UNSIGNED NULL,
  clicked_chunk VARCHAR(512) NULL,
  KEY search (search_id),
  KEY turn (session_id, turn_id),
  CONSTRAINT kb_feedback_rating CHECK (rating IN (-1, 1)),
  CONSTRAINT kb_feedback_subject CHECK (
    (search_id IS NULL) = (session_id IS NOT NULL AND turn_id IS NOT NULL)
  ),
  CONSTRAINT kb_feedback_search FOREIGN KEY (search_id) REFERENCES kb_search (id)
    ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
