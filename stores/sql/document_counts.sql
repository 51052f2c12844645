-- totals --
-- Read how many documents and chunks the knowledge base has.
SELECT COALESCE(SUM(documents), 0) AS documents, COALESCE(SUM(chunks), 0) AS chunks
FROM kb_document_count

-- shares --
-- Read which part of the documents is in each language.
SELECT language, SUM(documents) / SUM(SUM(documents)) OVER () AS share
FROM kb_document_count GROUP BY language HAVING SUM(documents) > 0

-- count_some --
-- Count some documents and their chunks by language, and keep others from changing them. A read that
-- locks is not as of an earlier moment, and has no later statement fail for what others changed since.
SELECT COALESCE(language, '') AS language, COUNT(*) AS documents, SUM(chunks) AS chunks
FROM kb_document WHERE id IN :ids AND chunks > 0 GROUP BY COALESCE(language, '') FOR UPDATE

-- add --
-- Note how many documents and chunks of a language came, or went.
INSERT INTO kb_document_count (language, documents, chunks) VALUES (:language, :documents, :chunks)

-- count_rows --
-- Say of how many rows the counts are the sum.
SELECT COUNT(*) FROM kb_document_count

-- wait_to_count --
-- Be the only one that counts anew until the transaction ends, after another one.
SELECT id FROM kb_document_count ORDER BY id LIMIT 1 FOR UPDATE

-- rows --
-- List the rows that the counts are the sum of.
SELECT id FROM kb_document_count

-- count_all --
-- Count all documents and their chunks by language.
SELECT COALESCE(language, '') AS language, COUNT(*) AS documents, SUM(chunks) AS chunks
FROM kb_document WHERE chunks > 0 GROUP BY COALESCE(language, '')

-- remove --
-- Remove rows of the counts, for a new count of what they were the sum of.
DELETE FROM kb_document_count WHERE id IN :ids

-- count_visible --
-- Count the documents that some groups may see, and their chunks, by language.
SELECT COALESCE(language, '') AS language, COUNT(*) AS documents, SUM(chunks) AS chunks
FROM kb_document WHERE chunks > 0 AND {visible} GROUP BY COALESCE(language, '')
