-- add --
-- Keep who signed in, for so many hours.
INSERT INTO kb_sign_in (digest, key_id, person, of_groups, start_digest, expires_at)
VALUES (:digest, :key_id, :person, :groups, :start_digest, UTC_TIMESTAMP(6) + INTERVAL :hours HOUR)

-- presented --
-- Find the sign-in whose cookie somebody presents.
SELECT key_id, person, of_groups, start_digest FROM kb_sign_in
WHERE digest = :digest AND expires_at > UTC_TIMESTAMP(6)

-- remove --
-- Sign somebody out.
DELETE FROM kb_sign_in WHERE digest = :digest

-- remove_old --
-- Delete some sign-ins that are over; nobody waits for all of them.
DELETE FROM kb_sign_in WHERE expires_at <= UTC_TIMESTAMP(6) LIMIT 1000
