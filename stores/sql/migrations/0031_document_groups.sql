-- The groups that somebody gave to a document, beside those that its own text names; the id is that of
-- the document, or of the one that an uploaded file is about to become.
CREATE TABLE IF NOT EXISTS kb_document_group (
  id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  group_name VARCHAR(190) NOT NULL,
  PRIMARY KEY (id, group_name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
