-- The passages that an answer cites, as they were then: a document may be replaced or removed later.
-- `content_hash` and `indexed_at` are of the document as it was cited, NULL where it was replaced
-- while the answer was written; `removed_at` says when kb was told to forget it.
CREATE TABLE IF NOT EXISTS kb_cited_passage (
  session_id VARCHAR(190) NOT NULL,
  turn INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  chunk_id VARCHAR(512) NOT NULL,
  document_id VARCHAR(190) NOT NULL,
  content_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  indexed_at DATETIME(6) NULL,
  removed_at DATETIME(6) NULL,
  metadata JSON NOT NULL,
  text LONGTEXT NOT NULL,
  PRIMARY KEY (session_id, turn, number),
  KEY document_id (document_id),
  CONSTRAINT kb_cited_passage_turn FOREIGN KEY (session_id, turn)
    REFERENCES kb_turn (session_id, number) ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
