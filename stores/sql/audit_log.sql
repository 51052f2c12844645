-- begin --
-- Note who asks what, before anything is answered.
INSERT INTO kb_audit (asked_at, user, way, action, session_id, text)
VALUES (UTC_TIMESTAMP(6), :user, :way, :action, :session_id, :text)
RETURNING id

-- end --
-- Note what came of it.
UPDATE kb_audit SET outcome = :outcome, error = :error, documents = :documents, tables = :tables
WHERE id = :id

-- entries --
-- The last entries, of a person, a document, a table or some days, the last one first.
SELECT id, asked_at, user, way, action, session_id, text, outcome, error, documents, tables
FROM kb_audit
WHERE (:user IS NULL OR user = :user)
  AND (:days IS NULL OR asked_at >= UTC_TIMESTAMP(6) - INTERVAL :days DAY)
  AND (:document IS NULL OR JSON_CONTAINS(documents, JSON_QUOTE(:document)))
  AND (:table_name IS NULL OR JSON_CONTAINS(tables, JSON_QUOTE(:table_name)))
ORDER BY id DESC LIMIT :limit

-- remove_old --
-- Delete some entries that are older than so many days; nobody waits for all of them.
DELETE FROM kb_audit WHERE asked_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY
ORDER BY asked_at LIMIT 5000
