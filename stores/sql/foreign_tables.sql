-- columns --
-- Read the columns of a table, or of a view, that another program has made.
SELECT column_name AS name, column_type AS type FROM information_schema.columns
WHERE table_schema = :database AND table_name = :table

-- langchain_collections --
-- List the collections of langchain-mariadb 0.0.21.
SELECT id, label FROM {collections} ORDER BY label

-- langchain_places --
-- List the rows of a collection of langchain-mariadb 0.0.21 with what each is a piece of, in the order that
-- its loaders and splitters note.
SELECT id AS place, id, JSON_VALUE(metadata, '$.source') AS document
FROM {table} WHERE collection_id = :collection
ORDER BY JSON_VALUE(metadata, '$.page') + 0, JSON_VALUE(metadata, '$.start_index') + 0, id

-- langchain_rows --
-- Read rows of langchain-mariadb 0.0.21.
SELECT id AS place, id, content AS text, metadata, embedding FROM {table} WHERE id IN :places

-- llamaindex_places --
-- List the rows of llama-index-vector-stores-mariadb 0.6.0 with what each is a piece of, as they were added;
-- it writes None as a word.
SELECT id AS place, node_id AS id, NULLIF(JSON_VALUE(metadata, '$.ref_doc_id'), 'None') AS document
FROM {table} ORDER BY place

-- llamaindex_rows --
-- Read rows of llama-index-vector-stores-mariadb 0.6.0.
SELECT id AS place, node_id AS id, text, metadata, embedding FROM {table} WHERE id IN :places

-- haystack_places --
-- List the rows of mariadb-haystack 1.0.0 with what each is a piece of, in the order that its splitter notes.
SELECT id AS place, id, JSON_VALUE(meta, '$.source_id') AS document
FROM {table} ORDER BY JSON_VALUE(meta, '$.split_id') + 0, id

-- haystack_rows --
-- Read rows of mariadb-haystack 1.0.0.
SELECT id AS place, id, content AS text, meta AS metadata, embedding FROM {table} WHERE id IN :places
