-- list --
-- Files by their names, those that match.
SELECT id, root, path, status, reason, size, modified_at, media_type, title, language, chunks,
  indexed_at, checked_at
FROM kb_document WHERE {where} ORDER BY root, path LIMIT :limit OFFSET :offset

-- count --
-- How many match.
SELECT COUNT(*) FROM kb_document WHERE {where}

-- by_status --
-- The condition on the status.
status = :status

-- by_roots --
-- The condition on the indexed directory.
root IN :roots

-- by_words --
-- The condition on a part of the name or the title, whatever its accents and capitals.
CONCAT_WS(' ', path, title) COLLATE utf8mb4_uca1400_ai_ci LIKE :pattern

-- by_path --
-- The condition on one file.
root = :root AND path = :path

-- everything --
-- No condition.
TRUE

-- values --
-- What documents hold under a key of their metadata, by their first chunks.
SELECT JSON_EXTRACT(chunk.metadata, :key) AS value, COUNT(*) AS documents
FROM kb_document AS document JOIN {table} AS chunk
  ON chunk.chunk_id = CONVERT(CONCAT(document.id, '\:00000') USING utf8mb4) COLLATE utf8mb4_nopad_bin
WHERE {where} GROUP BY value HAVING value IS NOT NULL
