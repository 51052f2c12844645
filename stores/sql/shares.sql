-- add --
-- Keep a chat as it is now, for who has the link.
INSERT INTO kb_share (digest, session_id, title, content)
VALUES (:digest, :session, :title, :content)

-- list --
-- The links to a chat, the last first.
SELECT HEX(digest) AS id, made_at FROM kb_share WHERE session_id = :session ORDER BY made_at DESC

-- presented --
-- Find what a link shows; nothing while its chat is deleted.
SELECT kb_share.title, kb_share.made_at, kb_share.content
FROM kb_share JOIN kb_session ON kb_session.id = kb_share.session_id
WHERE digest = :digest AND deleted_at IS NULL

-- remove --
-- Revoke a link to a chat.
DELETE FROM kb_share WHERE session_id = :session AND digest = UNHEX(:id)
