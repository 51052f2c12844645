-- How many documents and chunks there are in each language, as a sum of rows: each change of documents
-- adds what it changes, so that writers never wait for each other. Now and then they become few again.
CREATE TABLE IF NOT EXISTS kb_document_count (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  language VARCHAR(16) NOT NULL,
  documents BIGINT NOT NULL,
  chunks BIGINT NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

DELETE FROM kb_document_count;

INSERT INTO kb_document_count (language, documents, chunks)
SELECT COALESCE(language, ''), COUNT(*), SUM(chunks) FROM kb_document WHERE chunks > 0 GROUP BY 1;
