-- create --
-- Which word stands in which chunk. A posting is the chunk's key, then 4 bits of how often and 12
-- of how many words the chunk has: so a term's postings come as one string, ten times as quickly
-- as by summing scores in SQL.
CREATE TABLE IF NOT EXISTS {postings} (
  term INT UNSIGNED NOT NULL,
  seq INT UNSIGNED NOT NULL,
  posting BINARY(6) NOT NULL,
  PRIMARY KEY (term, seq),
  KEY chunk (seq)
) ENGINE=InnoDB

-- is_empty --
-- Whether nothing was written yet.
SELECT NOT EXISTS (SELECT 1 FROM {postings})

-- texts --
-- Chunks in the order of their keys, to make postings of; nobody removes them until these are there.
SELECT seq, text, metadata FROM {chunks} WHERE seq > :after ORDER BY seq LIMIT :limit
LOCK IN SHARE MODE

-- keys --
-- The keys of chunks that were just written.
SELECT chunk_id, seq FROM {chunks} WHERE chunk_id IN :ids

-- insert --
-- Postings, each as [term, seq, hexadecimal].
INSERT INTO {postings} (term, seq, posting)
SELECT term, seq, UNHEX(posting) FROM JSON_TABLE(:postings, '$[*]' COLUMNS (
  term INT UNSIGNED PATH '$[0]', seq INT UNSIGNED PATH '$[1]', posting CHAR(12) PATH '$[2]'
)) AS written
ON DUPLICATE KEY UPDATE posting = VALUES(posting)

-- remove --
-- The postings of chunks that match.
DELETE {postings} FROM {postings} JOIN {chunks} USING (seq) WHERE {where}

-- clear --
-- Remove all postings.
TRUNCATE TABLE {postings}

-- postings --
-- All postings of some terms, a string for each term: 2,666,666 of them, as a packet takes; a word
-- that more chunks have says next to nothing.
SET STATEMENT group_concat_max_len = 15999996 FOR
SELECT term, (
  SELECT GROUP_CONCAT(posting SEPARATOR '') FROM {postings} AS p WHERE p.term = asked.term
) AS postings
FROM JSON_TABLE(:terms, '$[*]' COLUMNS (term INT UNSIGNED PATH '$')) AS asked
