-- create --
-- A chunk table; `block` is that of its postings, `text_hash` of the text that was embedded. The short
-- key is copied into every node of the vector graph; ids compare byte by byte. A compressed text lets
-- six rows fit a page where five did; the full-text index takes none.
CREATE TABLE IF NOT EXISTS {table} (
  seq INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  chunk_id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  document_id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL,
  text LONGTEXT {compression} NOT NULL,
  metadata JSON NOT NULL,
  node JSON NOT NULL,
  embedding VECTOR({dimension}) NOT NULL,
  block BIGINT UNSIGNED NULL,
  text_hash BINARY(16) NULL,
  UNIQUE KEY chunk (chunk_id),
  KEY document (document_id),
  VECTOR INDEX nearest (embedding) M={m} DISTANCE={distance},
  KEY text_hash (text_hash)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci

-- add_fulltext --
-- Words of the text, with the title and headings that stand above it.
ALTER TABLE {table}
  ADD COLUMN IF NOT EXISTS context TEXT AS (
    LEFT(CONCAT_WS(' ', JSON_VALUE(metadata, '$.title'), JSON_VALUE(metadata, '$.headings')), 4000)
  ) STORED,
  ADD FULLTEXT INDEX IF NOT EXISTS words (context, text)

-- add_text_hash --
-- What a text was embedded as, by which an embedding is found again.
ALTER TABLE {table}
  ADD COLUMN IF NOT EXISTS text_hash BINARY(16) NULL AFTER embedding, ADD INDEX IF NOT EXISTS text_hash (text_hash)

-- embeddings --
-- Find the vectors of texts that chunks were made of.
SELECT text_hash, embedding FROM {table} WHERE text_hash IN :hashes

-- create_words_lock --
-- InnoDB changes a full-text index a moment before the rows become visible: who looks between
-- finds neither the old nor the new. One row keeps searches and commits apart.
CREATE TABLE IF NOT EXISTS {words_lock} (id TINYINT UNSIGNED NOT NULL PRIMARY KEY) ENGINE=InnoDB

-- add_words_lock --
-- Write the one row that searches and commits wait for.
INSERT IGNORE INTO {words_lock} (id) VALUES (1)

-- commit_words --
-- The last statement before a commit that changes words: waits for the searches that run.
SELECT id FROM {words_lock} WHERE id = 1 FOR UPDATE

-- search_words --
-- The first statement of a search by words: waits for the commit that runs.
SELECT id FROM {words_lock} WHERE id = 1 LOCK IN SHARE MODE

-- add_filter_column --
-- The first characters of one metadata value, indexed: s and a string, or n and a number as the
-- server prints a double.
ALTER TABLE {table}
  ADD COLUMN IF NOT EXISTS {column} VARCHAR({characters})
    CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin AS (
    LEFT(
      IF(JSON_TYPE(JSON_EXTRACT(metadata, {path})) = 'STRING',
        CONCAT('s', JSON_VALUE(metadata, {path})),
        CONCAT('n', JSON_VALUE(metadata, {path}) + 0e0)),
      {characters})
  ) STORED,
  ADD INDEX IF NOT EXISTS {column} ({column})

-- columns --
-- The columns of a table that exists, with their types.
SELECT column_name AS name, column_type AS type FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = :table

-- chunk_tables --
-- The tables of this database that have the columns of a chunk table.
SELECT table_name AS name FROM information_schema.columns
WHERE table_schema = DATABASE() AND (
  column_name IN ('seq', 'chunk_id', 'document_id', 'node')
  OR (column_name = 'embedding' AND data_type = 'vector')
)
GROUP BY table_name HAVING COUNT(*) = 5 ORDER BY table_name

-- definition --
-- How the table was created; the distance of its vector index stands nowhere else.
SHOW CREATE TABLE {table}

-- drop_index --
-- Drop the vector index, if nobody reads the table for long: who comes after waits behind this.
SET STATEMENT lock_wait_timeout = 5 FOR
ALTER TABLE {table} DROP INDEX IF EXISTS nearest

-- build_index --
-- Build the vector index from all rows. Others read and write meanwhile; who comes at the end waits while
-- this waits for those who read.
SET STATEMENT lock_wait_timeout = 60 FOR
ALTER TABLE {table} ADD VECTOR INDEX IF NOT EXISTS nearest (embedding) M={m} DISTANCE={distance}

-- put --
-- Write a chunk; one with the same id is replaced.
INSERT INTO {table} (chunk_id, document_id, text, metadata, node, embedding, text_hash)
VALUES (:chunk_id, :document_id, :text, :metadata, :node, :embedding, :text_hash)
ON DUPLICATE KEY UPDATE document_id = VALUES(document_id), text = VALUES(text),
  metadata = VALUES(metadata), node = VALUES(node), embedding = VALUES(embedding),
  text_hash = VALUES(text_hash)

-- put_new --
-- Write a chunk with the block that its postings are written to, unless its id is there: then lock that.
INSERT INTO {table} (chunk_id, document_id, text, metadata, node, embedding, text_hash, block)
VALUES (:chunk_id, :document_id, :text, :metadata, :node, :embedding, :text_hash, :block)
ON DUPLICATE KEY UPDATE seq = seq

-- delete --
-- Remove the chunks that match.
DELETE FROM {table} WHERE {where}

-- delete_with_blocks --
-- Remove the chunks that match, as `delete` does, and tell where their postings are.
DELETE FROM {table} WHERE {where} RETURNING seq, block

-- clear --
-- Remove all chunks.
TRUNCATE TABLE {table}

-- fetch --
-- The chunks that match, in the order in which they were written.
SELECT chunk_id, document_id, text, metadata, node, embedding FROM {table} WHERE {where} ORDER BY seq LIMIT :limit

-- count --
-- How many chunks match.
SELECT COUNT(*) FROM {table} WHERE {where}

-- hold --
-- The chunks that match, which nobody else changes, or adds, until this transaction ends.
SELECT {columns} FROM {table} WHERE {where} ORDER BY seq FOR UPDATE

-- hold_ids --
-- Find which ids there are; nobody adds the others until this transaction ends. Each is looked up, for a
-- list of them would have a small table read, and locked, whole.
SELECT chunk_id, seq, block FROM JSON_TABLE(:ids, '$[*]' COLUMNS (
  id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
)) AS asked STRAIGHT_JOIN {table} FORCE INDEX (chunk) ON chunk_id = id FOR UPDATE

-- values --
-- The values that a metadata key has among the chunks that match, as JSON, in the order of their text;
-- `1`, `1.0`, `"1"` and `true` are four. JSON's null is none.
SELECT JSON_EXTRACT(metadata, :path) COLLATE utf8mb4_nopad_bin AS value
FROM {table}
WHERE {where} AND JSON_TYPE(JSON_EXTRACT(metadata, :path)) <> 'NULL'
  AND (:within = '' OR LOCATE(LOWER(:within), LOWER(
    IFNULL(JSON_VALUE(metadata, :path), JSON_EXTRACT(metadata, :path))
  )) > 0)
GROUP BY value
ORDER BY IFNULL(JSON_VALUE(value, '$'), value) COLLATE utf8mb4_nopad_bin, JSON_TYPE(value)
LIMIT :limit OFFSET :offset

-- count_values --
-- How many values `values` lists, without its limit.
SELECT COUNT(DISTINCT JSON_EXTRACT(metadata, :path) COLLATE utf8mb4_nopad_bin)
FROM {table}
WHERE {where} AND JSON_TYPE(JSON_EXTRACT(metadata, :path)) <> 'NULL'
  AND (:within = '' OR LOCATE(LOWER(:within), LOWER(
    IFNULL(JSON_VALUE(metadata, :path), JSON_EXTRACT(metadata, :path))
  )) > 0)

-- extremes --
-- The least and the greatest of the numbers, and of the strings, that a metadata key has.
SELECT MIN(IF(kind = 'STRING', NULL, value + 0e0)) AS least,
  MAX(IF(kind = 'STRING', NULL, value + 0e0)) AS greatest,
  MIN(IF(kind = 'STRING', value, NULL)) AS first, MAX(IF(kind = 'STRING', value, NULL)) AS last
FROM (
  SELECT JSON_TYPE(JSON_EXTRACT(metadata, :path)) AS kind,
    JSON_VALUE(metadata, :path) COLLATE utf8mb4_nopad_bin AS value
  FROM {table} WHERE {where}
) AS found WHERE kind IN ('INTEGER', 'DOUBLE', 'BOOLEAN', 'STRING')

-- keys --
-- The metadata keys of the chunks that match, each with the types of its values. A path finds no key
-- behind `$."-`.
SELECT DISTINCT name, JSON_TYPE(JSON_EXTRACT(metadata, IF(
  LEFT(name, 1) = '-', CONCAT('$.', name), CONCAT('$.', JSON_QUOTE(name))
))) AS type
FROM {table}, JSON_TABLE(JSON_KEYS(metadata), '$[*]' COLUMNS (
  name TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
)) AS named
WHERE {where} ORDER BY name, type

-- node_classes --
-- The classes of nodes that the chunks are which match, NULL for text.
SELECT DISTINCT JSON_VALUE(node, '$.class_name') AS class_name FROM {table} WHERE {where}

-- estimate_rows --
-- About how many rows there are, by what the server counts as it writes.
SELECT table_rows AS estimate FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = :table

-- matching_keys --
-- The keys of the chunks that match, of as many keys as a packet takes, as one string of four bytes
-- each; the highest bit, which no key has, keeps CHAR from dropping leading zeros. DIV, not BETWEEN,
-- lest the range of keys be preferred to the index of a filter.
SET STATEMENT group_concat_max_len = 16000000 FOR
SELECT GROUP_CONCAT(CHAR(seq | 0x80000000 USING binary) SEPARATOR '') AS matching,
  (SELECT MAX(seq) DIV {keys_a_read} FROM {table}) AS last
FROM {table} WHERE ({where}) AND seq DIV {keys_a_read} = :number

-- matching_of --
-- Which of some chunks match.
SELECT seq FROM JSON_TABLE(:keys, '$[*]' COLUMNS (seq INT UNSIGNED PATH '$')) AS chosen
STRAIGHT_JOIN {table} USING (seq) WHERE {where}

-- content --
-- Read the text and metadata of chunks by their keys.
SELECT seq, chunk_id, document_id, text, metadata, node
FROM JSON_TABLE(:keys, '$[*]' COLUMNS (seq INT UNSIGNED PATH '$')) AS chosen
JOIN {table} USING (seq)

-- nearest --
-- Find the chunks closest to a vector. ORDER BY distance with LIMIT, and nothing else, uses the
-- vector index.
SET STATEMENT mhnsw_ef_search = {ef_search} FOR
SELECT seq, {columns}{distance}(embedding, :vector) AS distance
FROM {table} ORDER BY distance LIMIT :limit

-- nearest_keys --
-- Find the keys of the chunks closest to a vector, as `nearest` does, as a string of four bytes each,
-- in their order.
SET STATEMENT mhnsw_ef_search = {ef_search}, group_concat_max_len = 16000000 FOR
SELECT GROUP_CONCAT(CHAR(seq | 0x80000000 USING binary) ORDER BY distance SEPARATOR '') AS nearest
FROM (
  SELECT seq, {distance}(embedding, :vector) AS distance FROM {table} ORDER BY distance LIMIT :limit
) AS walked

-- vectors --
-- The vectors of the chunks that have some of these keys.
SELECT embedding
FROM JSON_TABLE(:keys, '$[*]' COLUMNS (seq INT UNSIGNED PATH '$')) AS chosen
JOIN {table} USING (seq)

-- last_key --
-- Find the last key.
SELECT MAX(seq) FROM {table}

-- key_range --
-- Find the first and the last key after one.
SELECT MIN(seq) AS first, MAX(seq) AS last FROM {table} WHERE seq > :after

-- visit --
-- Have the server read what lies around a vector in the index, and keep it in memory.
SET STATEMENT mhnsw_ef_search = {ef_search} FOR
SELECT seq FROM {table} ORDER BY {distance}(embedding, :vector) LIMIT 1

-- vector_cache --
-- How many bytes of the graphs of vector indexes the server keeps in memory.
SELECT @@mhnsw_max_cache_size

-- nearest_exactly --
-- Find the chunks closest to a vector by comparing all: the vector index serves no sum, and need not be
-- there. The text is joined after sorting.
SELECT seq, {columns}distance FROM (
  SELECT seq, {distance}(embedding, :vector) AS distance FROM {table}
  ORDER BY distance + 0 LIMIT :limit
) AS closest JOIN {table} USING (seq) ORDER BY distance, seq

-- nearest_of --
-- Find those of some chunks that match and are closest to a vector, by comparing all of them.
SELECT seq, {columns}distance FROM (
  SELECT seq, {distance}(embedding, :vector) AS distance
  FROM JSON_TABLE(:keys, '$[*]' COLUMNS (seq INT UNSIGNED PATH '$')) AS chosen
  STRAIGHT_JOIN {table} USING (seq) WHERE {where} ORDER BY distance LIMIT :limit
) AS closest JOIN {table} USING (seq) ORDER BY distance, seq

-- matching_words --
-- The chunks whose words match best by the server's full-text index.
SELECT seq, MATCH (context, text) AGAINST (:words) AS score FROM {table}
WHERE MATCH (context, text) AGAINST (:words) AND {where} ORDER BY score DESC LIMIT :limit
