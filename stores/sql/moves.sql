-- roots --
-- Every root with where it lies and how many documents are known of it.
SELECT kb_root.name, kb_root.path AS directory, COUNT(kb_document.id) AS documents
FROM kb_root LEFT JOIN kb_document ON kb_document.root = kb_root.name
GROUP BY kb_root.name, kb_root.path ORDER BY kb_root.name

-- documents --
-- Some documents of a root with one status, in the order of the index of both, with the number of their chunks.
SELECT id, root, path, status, reason, content_hash, failed_hash, size, modified_at, media_type,
  title, language,
  (SELECT COUNT(*) FROM {table} AS chunk WHERE chunk.document_id = kb_document.id) AS chunks
FROM kb_document WHERE root = :root AND status = :status AND id > :after ORDER BY id LIMIT :limit

-- chunks --
-- The chunks of a document in its order.
SELECT chunk_id, text, metadata, node, embedding FROM {table}
WHERE document_id = :id ORDER BY chunk_id

-- other_place --
-- Say whether an id is that of a document elsewhere.
SELECT EXISTS (SELECT 1 FROM kb_document WHERE id = :id AND NOT (root = :root AND path = :path))

-- upload_pieces --
-- The bytes of an uploaded file, piece by piece.
SELECT content FROM kb_upload_piece WHERE sha256 = :sha256 ORDER BY number

-- upload_paths --
-- The paths of the documents below a root, which may be uploaded files of a directory.
SELECT path FROM kb_document WHERE root = :root ORDER BY path

-- sessions --
-- Some sessions by their ids.
SELECT id FROM kb_session WHERE id > :after AND deleted_at IS NULL ORDER BY id LIMIT :limit

-- has_table --
-- Say whether there is a table of that name.
SELECT COUNT(*) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = :table

-- session --
-- A session.
SELECT id, title, user, turns, messages, memory, pinned_at, tags, created_at, updated_at
FROM kb_session WHERE id = :session

-- turn --
-- The turns of a session.
SELECT number, parent, is_current, id, status, owner, standalone, rewritten_by, error, evidence,
  model, prompt_tokens, completion_tokens, asked_at, answered_at, said, beat_at, is_stopped, options
FROM kb_turn WHERE session_id = :session ORDER BY number

-- message --
-- The messages of a session.
SELECT position, turn, role, status, data FROM kb_message
WHERE session_id = :session ORDER BY position

-- feedback --
-- What people said of the turns of a session.
SELECT given_at, turn_id, rating, comment, clicked_rank, clicked_chunk FROM kb_feedback
WHERE session_id = :session ORDER BY id

-- lock_session --
-- Keep a session as it is until the commit.
SELECT id FROM kb_session WHERE id = :session FOR UPDATE

-- put_session --
-- Write a session as it was.
INSERT INTO kb_session (id, title, user, turns, messages, memory, pinned_at, tags, created_at,
  updated_at)
VALUES (:id, :title, :user, :turns, :messages, :memory, :pinned_at, :tags, :created_at, :updated_at)

-- put_turn --
-- Write a turn as it was.
INSERT INTO kb_turn (session_id, number, parent, is_current, id, status, owner, standalone, rewritten_by, error,
  evidence, model, prompt_tokens, completion_tokens, asked_at, answered_at, said, beat_at,
  is_stopped, options)
VALUES (:session, :number, :parent, :is_current, :id, :status, :owner, :standalone, :rewritten_by, :error, :evidence,
  :model, :prompt_tokens, :completion_tokens, :asked_at, :answered_at, :said, :beat_at,
  :is_stopped, :options)

-- put_message --
-- Write a message as it was.
INSERT INTO kb_message (session_id, position, turn, role, status, data)
VALUES (:session, :position, :turn, :role, :status, :data)

-- put_feedback --
-- Write what somebody said of a turn.
INSERT INTO kb_feedback (session_id, given_at, turn_id, rating, comment, clicked_rank, clicked_chunk)
VALUES (:session, :given_at, :turn_id, :rating, :comment, :clicked_rank, :clicked_chunk)

-- saved_queries --
-- The verified queries that were saved, and are of no file.
SELECT name, origin, key_name, question, language, wordings, statement, parameters, descriptions,
  units, verified_by, verified_at
FROM kb_verified_query WHERE origin = 'saved' ORDER BY name

-- memory_chunks --
-- What the memory of chats has of a session.
SELECT chunk_id, text, metadata, node, embedding FROM {table}
WHERE f_session_id = CONCAT('s', LEFT(:session, 189)) AND JSON_VALUE(metadata, '$.session_id') = :session
ORDER BY chunk_id

-- forget_memory --
-- Delete what the memory of chats has of a session.
DELETE FROM {table}
WHERE f_session_id = CONCAT('s', LEFT(:session, 189)) AND JSON_VALUE(metadata, '$.session_id') = :session
