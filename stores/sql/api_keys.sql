-- add --
-- A new key; a name is given once, for what was said under it stays its holder's.
INSERT INTO kb_api_key (id, name, digest, scope, collections, requests_per_minute, tokens_per_day)
VALUES (:id, :name, :digest, :scope, :collections, :requests_per_minute, :tokens_per_day)

-- all --
-- All keys, the revoked ones too.
SELECT id, name, scope, collections, requests_per_minute, tokens_per_day, created_at, revoked_at
FROM kb_api_key ORDER BY created_at, id

-- presented --
-- The key of an id that was presented, with its digest.
SELECT id, name, scope, collections, requests_per_minute, tokens_per_day, created_at, revoked_at,
  digest
FROM kb_api_key WHERE id = :id

-- any --
-- Whether there has ever been a key: the last one revoked opens no door.
SELECT EXISTS (SELECT 1 FROM kb_api_key) AS known

-- revoke --
-- A key is of no use any more.
UPDATE kb_api_key SET revoked_at = UTC_TIMESTAMP(6) WHERE name = :name AND revoked_at IS NULL
