-- all --
-- Every verified query, those of the file first, those of keys last.
SELECT name, origin, key_name, question, language, wordings, statement, parameters, descriptions,
  units, verified_by, verified_at
FROM kb_verified_query ORDER BY origin, key_name IS NOT NULL, name

-- all_locked --
-- List them as `all` does; nobody else changes one until this transaction ends.
SELECT name, origin, key_name, question, language, wordings, statement, parameters, descriptions,
  units, verified_by, verified_at
FROM kb_verified_query ORDER BY origin, key_name IS NOT NULL, name FOR UPDATE

-- state --
-- Read what differs after every change, to see whether anything has changed.
SELECT COUNT(*) AS queries, MAX(number) AS last FROM kb_verified_query

-- save --
-- Keep a verified query, in the place of one of that origin and name.
REPLACE INTO kb_verified_query (name, origin, key_name, question, language, wordings, statement,
  parameters, descriptions, units, verified_by, verified_at)
VALUES (:name, :origin, :key_name, :question, :language, :wordings, :statement, :parameters,
  :descriptions, :units, :verified_by, :verified_at)

-- remove --
-- Delete a verified query that was saved.
DELETE FROM kb_verified_query WHERE name = :name AND origin = 'saved'

-- remove_loaded --
-- Delete the verified queries of the file, to write those that it holds now.
DELETE FROM kb_verified_query WHERE origin = 'file'

-- keep_version --
-- Note what was done to a verified query that was saved, and how it was then.
INSERT INTO kb_verified_query_version (name, number, action, changed_by, by_key, key_name, question,
  language, wordings, statement, parameters, descriptions, units, verified_by, verified_at)
SELECT :name, COALESCE(MAX(number), 0) + 1, :action, :changed_by, :by_key, :key_name, :question,
  :language, :wordings, :statement, :parameters, :descriptions, :units, :verified_by, :verified_at
FROM kb_verified_query_version WHERE name = :name

-- forget_versions_of_name --
-- Delete all but the last versions of a name.
DELETE FROM kb_verified_query_version WHERE name = :name
  AND number + :most <= (SELECT MAX(number) FROM kb_verified_query_version WHERE name = :name)

-- forget_versions_of_editor --
-- Delete all but the last versions of one editor, who may save and remove under ever new names.
DELETE FROM kb_verified_query_version WHERE changed_by = :changed_by AND by_key = :by_key
  AND id <= (
    SELECT id FROM kb_verified_query_version WHERE changed_by = :changed_by AND by_key = :by_key
    ORDER BY id DESC LIMIT 1 OFFSET :most
  )

-- versions --
-- Read what became of a name, from the beginning.
SELECT number, action, changed_by, by_key, changed_at, name, 'saved' AS origin, key_name, question,
  language, wordings, statement, parameters, descriptions, units, verified_by, verified_at
FROM kb_verified_query_version WHERE name = :name ORDER BY number

-- names_of_versions --
-- List the names that were ever given and of which versions are left.
SELECT DISTINCT name FROM kb_verified_query_version
