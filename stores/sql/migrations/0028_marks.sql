-- Documents that somebody has marked as right for a question, with the words that answer it: questions to
-- measure searches by. `item` is the question as reviews know it, `id` that and the document.
CREATE TABLE IF NOT EXISTS kb_mark (
  id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  item CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  question TEXT NOT NULL,
  root VARCHAR(190) NOT NULL,
  path TEXT NOT NULL,
  quote TEXT NOT NULL,
  marked_by VARCHAR(190) NULL,
  marked_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
