-- all --
-- Every verified query.
SELECT name, origin, question, language, wordings, statement, parameters, descriptions,
  units, verified_by, verified_at
FROM kb_verified_query ORDER BY name

-- save --
-- Keep one, in the place of one of that name.
REPLACE INTO kb_verified_query (name, origin, question, language, wordings, statement, parameters,
  descriptions, units, verified_by, verified_at)
VALUES (:name, :origin, :question, :language, :wordings, :statement, :parameters, :descriptions,
  :units, :verified_by, :verified_at)

-- confirm --
-- Somebody has checked it anew.
UPDATE kb_verified_query SET verified_by = :verified_by, verified_at = :verified_at
WHERE name = :name

-- remove --
-- Forget one.
DELETE FROM kb_verified_query WHERE name = :name

-- remove_loaded --
-- Forget what the file held.
DELETE FROM kb_verified_query WHERE origin = 'file'
