-- Until when the poor answers to a question were dealt with; a later one opens it again. The item is a hash of the
-- question, as its text may not be kept.
CREATE TABLE IF NOT EXISTS kb_review_done (
  item CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  done_until DATETIME(6) NOT NULL,
  done_by VARCHAR(190) NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
