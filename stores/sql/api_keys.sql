-- add --
-- A new key; a name is given once, for what was said under it stays its holder's.
INSERT INTO kb_api_key
  (id, name, digest, scope, collections, of_groups, only_from, verifies, requests_per_minute, tokens_per_day,
   month_budget, expires_at)
VALUES
  (:id, :name, :digest, :scope, :collections, :groups, :only_from, :verifies, :requests_per_minute,
   :tokens_per_day, :month_budget, :expires_at)

-- all --
-- List all keys, the revoked ones too.
SELECT id, name, scope, collections, of_groups, only_from, verifies, requests_per_minute, tokens_per_day,
  month_budget, created_at, revoked_at, expires_at, expires_at <= UTC_TIMESTAMP(6) AS is_expired
FROM kb_api_key ORDER BY created_at, id

-- presented --
-- Find the key of an id that somebody presents, with the digest that its secret must have.
SELECT id, name, scope, collections, of_groups, only_from, verifies, requests_per_minute, tokens_per_day,
  month_budget, created_at, revoked_at, expires_at, expires_at <= UTC_TIMESTAMP(6) AS is_expired, digest
FROM kb_api_key WHERE id = :id

-- budget --
-- Find what the holder of a key may spend in a month.
SELECT month_budget FROM kb_api_key WHERE name = :name

-- digests --
-- List the digests of all keys that are in use.
SELECT digest FROM kb_api_key
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6))

-- any --
-- Whether there has ever been a key: the last one revoked opens no door.
SELECT EXISTS (SELECT 1 FROM kb_api_key) AS known

-- revoke --
-- Revoke a key; it stays, so that its name is not given again.
UPDATE kb_api_key SET revoked_at = UTC_TIMESTAMP(6) WHERE name = :name AND revoked_at IS NULL
