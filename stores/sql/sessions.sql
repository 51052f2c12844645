-- make_session --
-- Make a session where there is none; either way its row is ours until the commit.
INSERT INTO kb_session (id, user) VALUES (:session, :user) ON DUPLICATE KEY UPDATE id = id

-- lock_session --
-- One writer at a time: numbers and positions follow the order of arrival.
SELECT id, user, turns, messages, deleted_at FROM kb_session WHERE id = :session FOR UPDATE

-- count_up --
-- Write the last numbers that were given, and the time of the last message. The first question
-- becomes the title.
UPDATE kb_session SET turns = :turns, messages = :messages, updated_at = UTC_TIMESTAMP(6),
  title = IF(title = '', :title, title)
WHERE id = :session

-- touch --
-- Note that a session was used just now: something was said in it.
UPDATE kb_session SET updated_at = UTC_TIMESTAMP(6) WHERE id = :session

-- sessions --
-- Sessions with the number of their turns, pinned ones before others, the last used first; those behind
-- one of them.
SELECT id, title, created_at AS created, updated_at AS updated,
  (SELECT COUNT(*) FROM kb_turn WHERE kb_turn.session_id = kb_session.id AND is_current) AS turns,
  user, pinned_at IS NOT NULL AS is_pinned, tags
FROM kb_session
WHERE (:session IS NULL OR id = :session) AND (:everybody OR user <=> :user)
  AND deleted_at IS NULL
  AND (:tag IS NULL OR JSON_CONTAINS(tags, JSON_QUOTE(:tag)))
  AND (:after_time IS NULL OR (pinned_at IS NOT NULL) < :after_pinned
    OR ((pinned_at IS NOT NULL) = :after_pinned AND (kb_session.updated_at < :after_time
      OR (kb_session.updated_at = :after_time AND kb_session.id > :after_id))))
ORDER BY is_pinned DESC, updated_at DESC, id LIMIT :limit

-- search_sessions --
-- Sessions whose title, or a message of a current turn, holds all words, with the last such message.
SELECT kb_session.id, title, created_at AS created, updated_at AS updated,
  (SELECT COUNT(*) FROM kb_turn WHERE kb_turn.session_id = kb_session.id AND is_current) AS turns,
  user, pinned_at IS NOT NULL AS is_pinned, tags,
  SUBSTRING({text}, GREATEST(1, LOCATE(:first, {text} COLLATE utf8mb4_uca1400_ai_ci) - :before),
    :characters) AS excerpt
FROM kb_session
LEFT JOIN (
  SELECT session_id, MAX(position) AS position FROM kb_message WHERE {in_message}
    AND NOT EXISTS (SELECT 1 FROM kb_turn WHERE kb_turn.session_id = kb_message.session_id
      AND kb_turn.number = kb_message.turn AND NOT is_current)
  GROUP BY session_id
) AS found ON found.session_id = kb_session.id
LEFT JOIN kb_message
  ON kb_message.session_id = found.session_id AND kb_message.position = found.position
WHERE (found.position IS NOT NULL OR {in_title}) AND (:everybody OR user <=> :user)
  AND deleted_at IS NULL
  AND (:tag IS NULL OR JSON_CONTAINS(tags, JSON_QUOTE(:tag)))
  AND (:after_time IS NULL OR (pinned_at IS NOT NULL) < :after_pinned
    OR ((pinned_at IS NOT NULL) = :after_pinned AND (kb_session.updated_at < :after_time
      OR (kb_session.updated_at = :after_time AND kb_session.id > :after_id))))
ORDER BY is_pinned DESC, updated_at DESC, kb_session.id LIMIT :limit

-- tags --
-- Count the sessions of somebody by their tags.
SELECT tag, COUNT(*) AS sessions
FROM kb_session JOIN JSON_TABLE(tags, '$[*]' COLUMNS (tag VARCHAR(190) PATH '$')) AS tagged
WHERE (:everybody OR user <=> :user) AND deleted_at IS NULL GROUP BY tag ORDER BY tag

-- pin --
-- Pin a session, or let it go.
UPDATE kb_session SET pinned_at = IF(:is_pinned, UTC_TIMESTAMP(6), NULL) WHERE id = :session

-- tag --
-- Write the tags of a session, NULL for none.
UPDATE kb_session SET tags = :tags WHERE id = :session

-- mark_deleted --
-- Take sessions of somebody out of sight, until they are deleted for good.
UPDATE kb_session SET deleted_at = UTC_TIMESTAMP(6)
WHERE id IN :ids AND (:everybody OR user <=> :user) AND deleted_at IS NULL

-- bring_back --
-- Bring back sessions of somebody that were deleted, and are still there.
UPDATE kb_session SET deleted_at = NULL
WHERE id IN :ids AND (:everybody OR user <=> :user) AND deleted_at IS NOT NULL

-- adopt_searches --
-- Give the logged searches of sessions that are nobody's to a user.
UPDATE kb_search JOIN kb_session ON kb_session.id = kb_search.session_id
SET kb_search.user = :user WHERE kb_session.user IS NULL AND kb_search.user IS NULL

-- adopt --
-- Give the sessions that are nobody's to a user.
UPDATE kb_session SET user = :user WHERE user IS NULL

-- deleted_sessions --
-- Find the sessions that were deleted so many minutes ago, to delete each for good.
SELECT id FROM kb_session WHERE deleted_at < UTC_TIMESTAMP(6) - INTERVAL :minutes MINUTE

-- is_deleted --
-- Look again, with the session locked, whether it was deleted so many minutes ago.
SELECT 1 FROM kb_session
WHERE id = :session AND deleted_at < UTC_TIMESTAMP(6) - INTERVAL :minutes MINUTE FOR UPDATE

-- rename --
-- Give a session the title that somebody chose.
UPDATE kb_session SET title = :title WHERE id = :session

-- replace_title --
-- Give a session another title than its first question, unless somebody has given it one.
UPDATE kb_session SET title = :title WHERE id = :session AND title = :automatic

-- set_memory --
-- Write what is remembered of a session besides its messages, a JSON object.
UPDATE kb_session SET memory = :memory WHERE id = :session

-- memory --
-- Read what is remembered of a session besides its messages.
SELECT memory FROM kb_session WHERE id = :session

-- forget_feedback --
-- Delete what people said of the turns of a session, which no foreign key ties to it.
DELETE FROM kb_feedback WHERE session_id = :session

-- forget_searches --
-- Delete the logged searches of a session; their hits and their feedback go with them.
DELETE FROM kb_search WHERE session_id = :session

-- forget_answers --
-- Delete the logged answers of a session.
DELETE FROM kb_answer_log WHERE session_id = :session

-- forget_search --
-- Delete one logged search, whose turn is not there any more.
DELETE FROM kb_search WHERE id = :search

-- delete_session --
-- Delete a session; its turns and messages go with it.
DELETE FROM kb_session WHERE id = :session

-- delete_turns --
-- Delete all turns of a session that stays.
DELETE FROM kb_turn WHERE session_id = :session

-- delete_all_messages --
-- Delete all that was said in a session that stays.
DELETE FROM kb_message WHERE session_id = :session

-- begin_anew --
-- Leave a session as if nothing had been said in it.
UPDATE kb_session SET title = '', turns = 0, messages = 0, memory = NULL WHERE id = :session

-- older_sessions --
-- Find the sessions that nobody has used for so many days, to delete each by itself.
SELECT id FROM kb_session WHERE updated_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY

-- is_older --
-- Look again, with the session locked, whether nobody has used it for so many days.
SELECT 1 FROM kb_session
WHERE id = :session AND updated_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY FOR UPDATE

-- turns --
-- Read one turn, or the last ones that are current before a number, with the messages of each, the
-- latest first; `age` and `silent` are in seconds, the latter NULL for what gives no signs of life.
SELECT kb_turn.*, asked.data AS asked, answered.data AS answered,
  TIMESTAMPDIFF(SECOND, asked_at, UTC_TIMESTAMP(6)) AS age,
  TIMESTAMPDIFF(SECOND, beat_at, UTC_TIMESTAMP(6)) AS silent
FROM kb_turn
LEFT JOIN kb_message AS asked ON asked.session_id = kb_turn.session_id
  AND asked.turn = kb_turn.number AND asked.role = 'user'
LEFT JOIN kb_message AS answered ON answered.session_id = kb_turn.session_id
  AND answered.turn = kb_turn.number AND answered.role = 'assistant'
WHERE kb_turn.session_id = :session AND IF(:turn IS NULL, is_current, id = :turn)
  AND (:before IS NULL OR number < :before)
ORDER BY number DESC LIMIT :limit

-- citing_turns --
-- Find the turns of somebody's last sessions whose answer cites a passage of a document, the last
-- first; sessions are found by their time, and turns by their sessions.
SELECT turn.session_id, turn.id AS turn_id, turn.asked_at, asked.data AS asked
FROM (
  SELECT id FROM kb_session WHERE :everybody OR user <=> :user ORDER BY updated_at DESC LIMIT :sessions
) AS recent
JOIN kb_turn AS turn ON turn.session_id = recent.id AND turn.evidence LIKE :cited
JOIN kb_message AS asked ON asked.session_id = turn.session_id AND asked.turn = turn.number
  AND asked.role = 'user'
ORDER BY turn.asked_at DESC LIMIT :limit

-- open_turns --
-- Find turns that are being answered, or were when their process ended; `age` and `silent` are in
-- seconds.
SELECT session_id, number, owner, said,
  TIMESTAMPDIFF(SECOND, asked_at, UTC_TIMESTAMP(6)) AS age,
  TIMESTAMPDIFF(SECOND, beat_at, UTC_TIMESTAMP(6)) AS silent
FROM kb_turn WHERE session_id = :session AND status = 'open'

-- add_turn --
-- Write a turn when its question is asked; the answer follows later.
INSERT INTO kb_turn (session_id, number, parent, id, owner, options)
VALUES (:session, :number, :parent, :turn, :owner, :options)

-- ways --
-- Read how the turns of a session follow each other.
SELECT number, id, parent, is_current FROM kb_turn WHERE session_id = :session ORDER BY number

-- choose_way --
-- Say which turns of a session are current.
UPDATE kb_turn SET is_current = number IN :positions WHERE session_id = :session

-- set_window --
-- Put what was said in current turns into the active window of the conversation, but for those that failed,
-- and nothing else of the turns.
UPDATE kb_message JOIN kb_turn
  ON kb_turn.session_id = kb_message.session_id AND kb_turn.number = kb_message.turn
SET kb_message.status = IF(kb_turn.is_current AND kb_turn.status <> 'failed', 'active', 'archived')
WHERE kb_message.session_id = :session

-- reopen_turn --
-- Open a turn again that failed or was cut, as somebody has asked for it again.
UPDATE kb_turn SET status = 'open', owner = :owner, error = NULL, asked_at = UTC_TIMESTAMP(6),
  answered_at = NULL, said = NULL, beat_at = NULL, is_stopped = FALSE, options = :options
WHERE session_id = :session AND number = :number

-- abandon_turn --
-- Say of a turn that nobody answers it any more. It gets no time of an answer, so that a late one is
-- still taken.
UPDATE kb_turn SET status = :status, error = :error, said = NULL
WHERE session_id = :session AND number = :number

-- note_progress --
-- Write what was said so far of an answer that this process gives, which is a sign of life too.
UPDATE kb_turn SET said = :said, beat_at = UTC_TIMESTAMP(6),
  evidence = COALESCE(:evidence, evidence), standalone = COALESCE(:standalone, standalone)
WHERE session_id = :session AND id = :turn AND status = 'open'
  AND LEFT(owner, CHAR_LENGTH(:process)) = :process

-- is_stopped --
-- Whether somebody asked to stop an answer that this process gives.
SELECT is_stopped FROM kb_turn
WHERE session_id = :session AND id = :turn AND status = 'open'
  AND LEFT(owner, CHAR_LENGTH(:process)) = :process

-- stop_turn --
-- Ask what answers a turn to stop.
UPDATE kb_turn SET is_stopped = TRUE
WHERE session_id = :session AND id = :turn AND status = 'open'

-- finish_turn --
-- Write what came of a turn, with the time of its end.
UPDATE kb_turn SET status = :status, error = :error, standalone = :standalone,
  rewritten_by = :rewritten_by, evidence = :evidence, model = :model,
  prompt_tokens = :prompt_tokens, completion_tokens = :completion_tokens,
  answered_at = UTC_TIMESTAMP(6), said = NULL
WHERE session_id = :session AND number = :number

-- forget_cited --
-- Delete the passages that an answer of a turn cited, before another one is stored.
DELETE FROM kb_cited_passage WHERE session_id = :session AND turn = :turn

-- keep_cited --
-- Keep a passage as an answer cites it, with the version of its document, which is not known where
-- another one was indexed after the question.
INSERT INTO kb_cited_passage (session_id, turn, number, chunk_id, document_id, content_hash,
  indexed_at, metadata, text)
SELECT kb_turn.session_id, kb_turn.number, :number, :chunk, :document, kb_document.content_hash,
  kb_document.indexed_at, :metadata, :text
FROM kb_turn LEFT JOIN kb_document
  ON kb_document.id = CONVERT(:document USING ascii) COLLATE ascii_bin
  AND kb_document.indexed_at <= kb_turn.asked_at
WHERE kb_turn.session_id = :session AND kb_turn.number = :turn

-- cited --
-- Read a passage that a turn cites, and what is known of its document now.
SELECT cited.chunk_id, cited.document_id, cited.content_hash, cited.indexed_at, cited.removed_at,
  cited.metadata, cited.text, kb_document.root AS root_now, kb_document.path AS path_now,
  kb_document.content_hash AS hash_now, kb_document.indexed_at AS indexed_at_now
FROM kb_cited_passage AS cited
JOIN kb_turn ON kb_turn.session_id = cited.session_id AND kb_turn.number = cited.turn
LEFT JOIN kb_document ON kb_document.id = CONVERT(cited.document_id USING ascii) COLLATE ascii_bin
  AND kb_document.chunks > 0
WHERE cited.session_id = :session AND kb_turn.id = :turn AND cited.number = :number

-- question --
-- Find where a turn's question stands; its answer has the next position.
SELECT position, status FROM kb_message
WHERE session_id = :session AND turn = :number AND role = 'user'

-- reopen_question --
-- Make a question part of the conversation again; an answer of it that was cut is not.
UPDATE kb_message SET status = IF(role = 'user', 'active', 'archived')
WHERE session_id = :session AND turn = :number

-- add_message --
-- Write a message; an answer that was begun before at its place is replaced.
REPLACE INTO kb_message (session_id, position, turn, role, status, data)
VALUES (:session, :position, :turn, :role, :status, :data)

-- set_turn_status --
-- Say whether the messages of a turn are in the active window of the conversation.
UPDATE kb_message SET status = :status WHERE session_id = :session AND turn = :number

-- messages --
-- Read the messages of a session, in the order in which they were said.
SELECT position, data FROM kb_message
WHERE session_id = :session AND (:status IS NULL OR status = :status)
ORDER BY position LIMIT :limit OFFSET :offset

-- history --
-- Read the messages of a session but for those of turns that failed, in order.
SELECT kb_message.data FROM kb_message
LEFT JOIN kb_turn ON kb_turn.session_id = kb_message.session_id
  AND kb_turn.number = kb_message.turn
WHERE kb_message.session_id = :session
  AND (kb_turn.status IS NULL OR (kb_turn.status <> 'failed' AND kb_turn.is_current))
ORDER BY position

-- count_messages --
-- Count the messages of a session, those of one status or all.
SELECT COUNT(*) FROM kb_message
WHERE session_id = :session AND (:status IS NULL OR status = :status)

-- archive_messages --
-- Take messages out of the active window of the conversation; they stay in the history.
UPDATE kb_message SET status = 'archived' WHERE session_id = :session AND position IN :positions

-- message --
-- Read one message by its position.
SELECT position, data FROM kb_message WHERE session_id = :session AND position = :position

-- delete_messages --
-- Delete messages by their positions.
DELETE FROM kb_message WHERE session_id = :session AND position IN :positions

-- delete_unasked_turns --
-- Delete the turns of a session whose question was deleted: an answer alone means nothing.
DELETE FROM kb_turn WHERE session_id = :session AND NOT EXISTS (
  SELECT 1 FROM kb_message WHERE kb_message.session_id = kb_turn.session_id
    AND kb_message.turn = kb_turn.number AND kb_message.role = 'user'
)

-- all_ids --
-- List the ids of all sessions, the oldest first.
SELECT id FROM kb_session ORDER BY created_at, id
