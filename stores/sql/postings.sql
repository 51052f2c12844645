-- create_term --
-- Which words stand in which chunks, a word after the other: six bytes a posting, the chunk's key, then
-- 4 bits of how often and 12 of how many words the chunk has. A row is a part of a term's postings, so
-- that writing more of them touches the last part alone.
CREATE TABLE IF NOT EXISTS {term} (
  term INT UNSIGNED NOT NULL,
  part INT UNSIGNED NOT NULL,
  postings VARBINARY({part_bytes}) NOT NULL,
  PRIMARY KEY (term, part)
) ENGINE=InnoDB

-- create_fresh --
-- Postings that were written lately, a row for each block: the chunks of a document that were written
-- together. Each posting has its term before it. A row never changes, it goes whole: with its document,
-- or to the terms. Block 0 says in `postings` that all chunks have theirs, or else up to which key, in
-- `chunks` which version of the terms there is, and is locked by who merges.
CREATE TABLE IF NOT EXISTS {fresh} (
  block BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  chunks INT UNSIGNED NOT NULL,
  postings LONGBLOB NOT NULL
) ENGINE=InnoDB

-- create_gone --
-- The keys of chunks that are gone, and their postings not yet; no key is given twice.
CREATE TABLE IF NOT EXISTS {gone} (seq INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE=InnoDB

-- count_made --
-- Count which of the three tables are there.
SELECT COUNT(*) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name IN (:term, :fresh, :gone)

-- add_block --
-- The block of each chunk; one that was written without words has none.
ALTER TABLE {chunks} ADD COLUMN IF NOT EXISTS block BIGINT UNSIGNED NULL AFTER embedding

-- made --
-- Say up to which key chunks have postings, and which is the last one.
SELECT (SELECT postings FROM {fresh} WHERE block = 0) AS postings,
  (SELECT COALESCE(MAX(seq), 0) FROM {chunks}) AS last

-- complete --
-- Say from this transaction on that all chunks have postings.
INSERT IGNORE INTO {fresh} (block, chunks, postings) VALUES (0, :version, :place)

-- begin_or_wait --
-- Be the only one that makes postings until the transaction ends; where nobody has begun, none are made.
INSERT INTO {fresh} (block, chunks, postings) VALUES (0, 0, '') ON DUPLICATE KEY UPDATE block = 0

-- note_place --
-- Say from this transaction on up to which key chunks have postings, or that all have.
UPDATE {fresh} SET postings = :place, chunks = :version WHERE block = 0

-- set_version --
-- Say that merged postings are no longer what they were.
UPDATE {fresh} SET chunks = :version WHERE block = 0

-- drop_former --
-- Remove the postings of kb 0.2 and before, which had a row for each term and document.
DROP TABLE IF EXISTS {former}

-- forget_term --
-- Remove all merged postings, in this transaction.
DELETE FROM {term}

-- forget_fresh --
-- Remove all fresh postings, in this transaction.
DELETE FROM {fresh} WHERE block > 0

-- forget_gone --
-- Forget which chunks are gone, in this transaction.
DELETE FROM {gone}

-- texts --
-- Chunks without postings in the order of their keys; nobody removes them until these are there.
SELECT seq, text, metadata FROM {chunks} AS chunk LEFT JOIN {fresh} AS fresh USING (block)
WHERE seq > :after AND fresh.block IS NULL ORDER BY seq LIMIT :limit
LOCK IN SHARE MODE

-- add --
-- Write the postings of a block.
INSERT INTO {fresh} (block, chunks, postings) VALUES (:block, :chunks, :postings)

-- whole_blocks --
-- Find the blocks of which every chunk goes. Each is looked up, which keeps others' blocks unlocked.
SELECT fresh.block FROM JSON_TABLE(:going, '$[*]' COLUMNS (
  block BIGINT UNSIGNED PATH '$[0]', chunks INT UNSIGNED PATH '$[1]'
)) AS going STRAIGHT_JOIN {fresh} AS fresh FORCE INDEX (PRIMARY) ON fresh.block = going.block
WHERE fresh.chunks = going.chunks FOR UPDATE

-- remove_blocks --
-- Remove the fresh postings of some blocks.
DELETE FROM {fresh} WHERE block IN :blocks

-- mark_gone --
-- Note that chunks are gone, but for those of fresh blocks that go whole. A chunk is given as its key,
-- its block, and how many chunks of that go.
INSERT IGNORE INTO {gone} (seq)
SELECT going.seq FROM JSON_TABLE(:going, '$[*]' COLUMNS (
  seq INT UNSIGNED PATH '$[0]', block BIGINT UNSIGNED PATH '$[1]', chunks INT UNSIGNED PATH '$[2]'
)) AS going LEFT JOIN {fresh} AS fresh FORCE INDEX (PRIMARY)
  ON fresh.block = going.block AND fresh.chunks = going.chunks
WHERE fresh.block IS NULL

-- lock_all --
-- TRUNCATE commits by itself: what is written between two of them would lose its postings.
LOCK TABLES {chunks} WRITE, {term} WRITE, {fresh} WRITE, {gone} WRITE

-- unlock --
-- Let others write to chunks and postings again.
UNLOCK TABLES

-- truncate --
-- Remove all rows of one table.
TRUNCATE TABLE {table}

-- postings --
-- Merged postings of some terms, a string for each, of as many parts from one on as a packet takes.
SET STATEMENT group_concat_max_len = 16000000 FOR
SELECT term, first, (
  SELECT GROUP_CONCAT(postings SEPARATOR '') FROM {term} AS t
  WHERE t.term = asked.term AND part >= first AND part < first + {parts_a_read}
) AS postings, (SELECT MAX(part) + 1 FROM {term} AS t WHERE t.term = asked.term) AS last
FROM JSON_TABLE(:asked, '$[*]' COLUMNS (
  term INT UNSIGNED PATH '$[0]', first INT UNSIGNED PATH '$[1]'
)) AS asked

-- fresh --
-- Read the fresh postings of some blocks.
SELECT block, postings
FROM JSON_TABLE(:blocks, '$[*]' COLUMNS (block BIGINT UNSIGNED PATH '$')) AS asked
JOIN {fresh} USING (block)

-- changes --
-- Which version of the terms there is, which blocks are fresh, and the keys of chunks that are gone as one string of four bytes each, whose
-- highest bit, which no key has, keeps CHAR from dropping leading zeros.
SET STATEMENT group_concat_max_len = {list_bytes} FOR
SELECT (SELECT GROUP_CONCAT(block) FROM {fresh} WHERE block > 0) AS fresh,
  (SELECT GROUP_CONCAT(CHAR(seq | 0x80000000 USING binary) SEPARATOR '') FROM {gone}) AS gone,
  (SELECT CONCAT(chunks, ' ', postings) FROM {fresh} WHERE block = 0) AS state

-- untidy --
-- How many chunks have fresh postings, how many are gone, and how many there ever were.
SELECT (SELECT COALESCE(SUM(chunks), 0) FROM {fresh} WHERE block > 0) AS fresh,
  (SELECT COUNT(*) FROM {gone}) AS gone, (SELECT COALESCE(MAX(seq), 0) FROM {chunks}) AS ever

-- try_to_merge --
-- Be the only one that merges until the transaction ends; no row while another one does.
SELECT block FROM {fresh} WHERE block = 0 FOR UPDATE SKIP LOCKED

-- wait_to_merge --
-- Be the only one that merges until the transaction ends, after another one.
SELECT postings FROM {fresh} WHERE block = 0 FOR UPDATE

-- take --
-- Read the fresh postings of blocks that nobody is removing, and keep others from it.
SELECT block, postings FROM {fresh} WHERE block IN :blocks FOR UPDATE SKIP LOCKED

-- last_parts --
-- Read the last part of each term that has any.
SELECT term, part, postings FROM {term} JOIN (
  SELECT asked.term, MAX(part) AS part
  FROM JSON_TABLE(:terms, '$[*]' COLUMNS (term INT UNSIGNED PATH '$')) AS asked
  JOIN {term} USING (term) GROUP BY asked.term
) AS latest USING (term, part)

-- parts --
-- All parts of the terms from one on, of some thousand rows.
SELECT term, part, postings FROM {term}
WHERE term >= :first AND term <= COALESCE((
  SELECT term FROM {term} WHERE term >= :first ORDER BY term LIMIT 1 OFFSET :rows
), 4294967295) ORDER BY term, part

-- remove_terms --
-- Remove all parts of some terms.
DELETE FROM {term} WHERE term IN :terms

-- put_parts --
-- Write a part.
INSERT INTO {term} (term, part, postings) VALUES (:term, :part, :postings)
ON DUPLICATE KEY UPDATE postings = VALUES(postings)

-- unmark_gone --
-- Forget chunks that are gone with all their postings.
DELETE {gone} FROM {gone} JOIN JSON_TABLE(:seqs, '$[*]' COLUMNS (seq INT UNSIGNED PATH '$')) AS swept
USING (seq)
