-- make_session --
-- Make a session where there is none; either way its row is ours until the commit.
INSERT INTO kb_session (id, user) VALUES (:session, :user) ON DUPLICATE KEY UPDATE id = id

-- lock_session --
-- One writer at a time: numbers and positions follow the order of arrival.
SELECT id, user, turns, messages FROM kb_session WHERE id = :session FOR UPDATE

-- count_up --
-- The numbers that were given, and the time of the last word; a first question is the title.
UPDATE kb_session SET turns = :turns, messages = :messages, updated_at = UTC_TIMESTAMP(6),
  title = IF(title = '', :title, title)
WHERE id = :session

-- touch --
-- Something was said.
UPDATE kb_session SET updated_at = UTC_TIMESTAMP(6) WHERE id = :session

-- sessions --
-- Sessions with the number of their turns, the last used first.
SELECT id, title, created_at AS created, updated_at AS updated,
  (SELECT COUNT(*) FROM kb_turn WHERE kb_turn.session_id = kb_session.id) AS turns, user
FROM kb_session
WHERE (:session IS NULL OR id = :session) AND (:everybody OR user <=> :user)
ORDER BY updated_at DESC, id LIMIT :limit

-- search_sessions --
-- Sessions whose title or a message holds all words, with the place of the last such message.
SELECT kb_session.id, title, created_at AS created, updated_at AS updated,
  (SELECT COUNT(*) FROM kb_turn WHERE kb_turn.session_id = kb_session.id) AS turns, user,
  SUBSTRING({text}, GREATEST(1, LOCATE(:first, {text} COLLATE utf8mb4_uca1400_ai_ci) - :before),
    :characters) AS excerpt
FROM kb_session
LEFT JOIN (
  SELECT session_id, MAX(position) AS position FROM kb_message WHERE {in_message}
  GROUP BY session_id
) AS found ON found.session_id = kb_session.id
LEFT JOIN kb_message
  ON kb_message.session_id = found.session_id AND kb_message.position = found.position
WHERE (found.position IS NOT NULL OR {in_title}) AND (:everybody OR user <=> :user)
ORDER BY updated_at DESC, kb_session.id LIMIT :limit

-- rename --
-- A title that somebody chose.
UPDATE kb_session SET title = :title WHERE id = :session

-- set_memory --
-- What is remembered of a session besides its messages.
UPDATE kb_session SET memory = :memory WHERE id = :session

-- memory --
-- It.
SELECT memory FROM kb_session WHERE id = :session

-- forget_feedback --
-- What people said of its turns.
DELETE FROM kb_feedback WHERE session_id = :session

-- forget_searches --
-- The searches of it, and with them their hits and their feedback.
DELETE FROM kb_search WHERE session_id = :session

-- forget_search --
-- One of them.
DELETE FROM kb_search WHERE id = :search

-- delete_session --
-- A session, and with it its turns and messages.
DELETE FROM kb_session WHERE id = :session

-- delete_turns --
-- All turns of a session.
DELETE FROM kb_turn WHERE session_id = :session

-- delete_all_messages --
-- All that was said in a session.
DELETE FROM kb_message WHERE session_id = :session

-- begin_anew --
-- A session as if nothing had been said.
UPDATE kb_session SET title = '', turns = 0, messages = 0, memory = NULL WHERE id = :session

-- older_sessions --
-- Sessions that nobody used for days.
SELECT id FROM kb_session WHERE updated_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY

-- is_older --
-- Whether that is still so.
SELECT 1 FROM kb_session
WHERE id = :session AND updated_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY FOR UPDATE

-- turns --
-- The last turns before a number, with their words, the latest first.
SELECT kb_turn.*, asked.data AS asked, answered.data AS answered,
  TIMESTAMPDIFF(SECOND, asked_at, UTC_TIMESTAMP(6)) AS age
FROM kb_turn
LEFT JOIN kb_message AS asked ON asked.session_id = kb_turn.session_id
  AND asked.turn = kb_turn.number AND asked.role = 'user'
LEFT JOIN kb_message AS answered ON answered.session_id = kb_turn.session_id
  AND answered.turn = kb_turn.number AND answered.role = 'assistant'
WHERE kb_turn.session_id = :session AND (:turn IS NULL OR id = :turn)
  AND (:before IS NULL OR number < :before)
ORDER BY number DESC LIMIT :limit

-- open_turns --
-- Turns that are being answered, or were when their process ended.
SELECT number, owner, TIMESTAMPDIFF(SECOND, asked_at, UTC_TIMESTAMP(6)) AS age
FROM kb_turn WHERE session_id = :session AND status = 'open'

-- add_turn --
-- Somebody asked.
INSERT INTO kb_turn (session_id, number, id, owner) VALUES (:session, :number, :turn, :owner)

-- reopen_turn --
-- Somebody asked the same again.
UPDATE kb_turn SET status = 'open', owner = :owner, error = NULL, asked_at = UTC_TIMESTAMP(6),
  answered_at = NULL
WHERE session_id = :session AND number = :number

-- abandon_turn --
-- Nobody answers it any more; it has no time of an answer, so a late one is still taken.
UPDATE kb_turn SET status = 'failed', error = :error WHERE session_id = :session AND number = :number

-- finish_turn --
-- What came of a turn.
UPDATE kb_turn SET status = :status, error = :error, standalone = :standalone,
  rewritten_by = :rewritten_by, evidence = :evidence, model = :model,
  prompt_tokens = :prompt_tokens, completion_tokens = :completion_tokens,
  answered_at = UTC_TIMESTAMP(6)
WHERE session_id = :session AND number = :number

-- question --
-- Where a turn's question stands; its answer has the next position.
SELECT position, status FROM kb_message
WHERE session_id = :session AND turn = :number AND role = 'user'

-- reopen_question --
-- It is what the conversation is about again; an answer that was cut is not.
UPDATE kb_message SET status = IF(role = 'user', 'active', 'archived')
WHERE session_id = :session AND turn = :number

-- add_message --
-- Something was said; an answer that was begun before is replaced.
REPLACE INTO kb_message (session_id, position, turn, role, status, data)
VALUES (:session, :position, :turn, :role, :status, :data)

-- set_turn_status --
-- Whether the words of a turn are in the active window of the conversation.
UPDATE kb_message SET status = :status WHERE session_id = :session AND turn = :number

-- messages --
-- What was said, in order.
SELECT position, data FROM kb_message
WHERE session_id = :session AND (:status IS NULL OR status = :status)
ORDER BY position LIMIT :limit OFFSET :offset

-- history --
-- What was said, but in the turns that failed.
SELECT kb_message.data FROM kb_message
LEFT JOIN kb_turn ON kb_turn.session_id = kb_message.session_id
  AND kb_turn.number = kb_message.turn
WHERE kb_message.session_id = :session AND (kb_turn.status IS NULL OR kb_turn.status <> 'failed')
ORDER BY position

-- count_messages --
-- How much of it there is.
SELECT COUNT(*) FROM kb_message
WHERE session_id = :session AND (:status IS NULL OR status = :status)

-- archive_messages --
-- Out of the active window.
UPDATE kb_message SET status = 'archived' WHERE session_id = :session AND position IN :positions

-- message --
-- One message by its position.
SELECT position, data FROM kb_message WHERE session_id = :session AND position = :position

-- delete_messages --
-- Forget what was said.
DELETE FROM kb_message WHERE session_id = :session AND position IN :positions

-- delete_unasked_turns --
-- A turn whose question is gone is gone.
DELETE FROM kb_turn WHERE session_id = :session AND NOT EXISTS (
  SELECT 1 FROM kb_message WHERE kb_message.session_id = kb_turn.session_id
    AND kb_message.turn = kb_turn.number AND kb_message.role = 'user'
)

-- all_ids --
-- Every session.
SELECT id FROM kb_session ORDER BY created_at, id
