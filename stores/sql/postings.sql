-- create --
-- Which words stand in which chunks. A row holds all chunks of one block (those of a document that
-- were written together) that have the word, six bytes each: the chunk's key, then 4 bits of how often
-- and 12 of how many words the chunk has. So a word's postings come as one string, ten times as
-- quickly as by summing scores in SQL.
CREATE TABLE IF NOT EXISTS {postings} (
  term INT UNSIGNED NOT NULL,
  block BIGINT UNSIGNED NOT NULL,
  postings VARBINARY({bytes}) NOT NULL,
  PRIMARY KEY (term, block),
  KEY block (block)
) ENGINE=InnoDB

-- add_block --
-- The block of each chunk; one that was written without words is a block of its own.
ALTER TABLE {chunks} ADD COLUMN IF NOT EXISTS block BIGINT UNSIGNED NULL AFTER embedding

-- is_empty --
-- Say whether no posting was written yet.
SELECT NOT EXISTS (SELECT 1 FROM {postings})

-- forget_blocks --
-- Each chunk a block of its own: a fill by parts would write the second half of a block over the first.
UPDATE {chunks} SET block = NULL WHERE block IS NOT NULL

-- texts --
-- Chunks in the order of their keys, to make postings of; nobody removes them until these are there.
SELECT seq, COALESCE(block, seq) AS block, text, metadata FROM {chunks}
WHERE seq > :after ORDER BY seq LIMIT :limit
LOCK IN SHARE MODE

-- keys --
-- Read the keys of chunks that were just written.
SELECT chunk_id, seq FROM {chunks} WHERE chunk_id IN :ids FOR UPDATE

-- insert --
-- Write postings, each row given as [term, block, hexadecimal].
INSERT INTO {postings} (term, block, postings)
SELECT term, block, UNHEX(postings) FROM JSON_TABLE(:postings, '$[*]' COLUMNS (
  term INT UNSIGNED PATH '$[0]', block BIGINT UNSIGNED PATH '$[1]',
  postings VARCHAR({characters}) CHARACTER SET ascii PATH '$[2]'
)) AS written
ON DUPLICATE KEY UPDATE postings = VALUES(postings)

-- remaining --
-- Read the chunks that stay while others of their block, and so of their document, go. A read that
-- locks nothing would date the whole transaction, and any other writer's commit since would undo it.
SELECT seq, block, text, metadata FROM {chunks}
WHERE (document_id, block) IN (
  SELECT document_id, block FROM {chunks} WHERE {where} FOR UPDATE
) AND ({where}) IS NOT TRUE
FOR UPDATE

-- remove --
-- Delete the postings of all blocks of which chunks go.
DELETE {postings} FROM {postings} JOIN (
  SELECT DISTINCT COALESCE(block, seq) AS block FROM {chunks} WHERE {where}
) AS gone USING (block)

-- clear --
-- Remove all postings.
TRUNCATE TABLE {postings}

-- postings --
-- All postings of some terms, a string for each term: 2,666,666 of them, as a packet takes; a word
-- that more chunks have says next to nothing.
SET STATEMENT group_concat_max_len = 15999996 FOR
SELECT term, (
  SELECT GROUP_CONCAT(postings SEPARATOR '') FROM {postings} AS p WHERE p.term = asked.term
) AS postings
FROM JSON_TABLE(:terms, '$[*]' COLUMNS (term INT UNSIGNED PATH '$')) AS asked
