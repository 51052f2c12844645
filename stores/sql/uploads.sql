-- kept --
-- Read what a key has uploaded and is still there; nobody adds to it meanwhile.
SELECT id, bytes FROM kb_upload WHERE uploaded_by = :uploaded_by FOR UPDATE

-- keep --
-- Note that a file is the key's, also in the place of another's.
INSERT INTO kb_upload (id, uploaded_by, bytes) VALUES (:id, :uploaded_by, :bytes)
ON DUPLICATE KEY UPDATE uploaded_by = VALUES(uploaded_by), bytes = VALUES(bytes)
