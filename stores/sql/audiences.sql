-- visible_documents --
-- Require of a column that it names a document whose demands are all met by some groups. Ids of
-- documents are ASCII: without CONVERT none is looked up by its key, as the column may hold others.
EXISTS (
  SELECT 1 FROM kb_document
  WHERE kb_document.id = CONVERT({column} USING ascii) AND kb_document.id = {column} AND {visible}
)

-- visible --
-- Require of documents that their demands are all met by some groups.
audience IN (
  SELECT id FROM kb_audience WHERE group_name IN (
    SELECT name FROM JSON_TABLE({groups}, '$[*]' COLUMNS (
      name VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
    )) AS held
  ) GROUP BY id, demands HAVING COUNT(DISTINCT demand) = demands
)

-- version --
-- Read how often audiences were changed without their documents.
SELECT version FROM kb_access_rules WHERE id = 1
