-- find --
-- Read a value whose time is not over.
SELECT value FROM kb_cache WHERE id = :id AND kind = :kind AND until > UTC_TIMESTAMP(3)

-- keep --
-- Write a value, in place of the one that was there.
INSERT INTO kb_cache (id, kind, value, bytes, made_at, until)
VALUES (:id, :kind, :value, LENGTH(value), UTC_TIMESTAMP(3),
  UTC_TIMESTAMP(3) + INTERVAL :seconds SECOND)
ON DUPLICATE KEY UPDATE value = VALUES(value), bytes = VALUES(bytes), made_at = VALUES(made_at),
  until = VALUES(until)

-- forget_old --
-- Remove values whose time is over.
DELETE FROM kb_cache WHERE until <= UTC_TIMESTAMP(3)

-- forget_much --
-- Remove the oldest values of a kind, of which those after them have as many bytes as there may be.
DELETE FROM kb_cache WHERE kind = :kind AND made_at <= (
  SELECT MAX(made_at) FROM (
    SELECT made_at, SUM(bytes) OVER (ORDER BY made_at DESC, id) AS together
    FROM kb_cache WHERE kind = :kind
  ) AS added WHERE together > :most
)

-- clear --
-- Remove all values of a kind.
DELETE FROM kb_cache WHERE kind = :kind

-- measure --
-- Count the values of a kind and their bytes.
SELECT COUNT(*) AS kept, COALESCE(SUM(bytes), 0) AS bytes
FROM kb_cache WHERE kind = :kind AND until > UTC_TIMESTAMP(3)
