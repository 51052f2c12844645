-- add_search --
-- Log a search that is over; no search waits long for its log.
SET STATEMENT lock_wait_timeout = 1, innodb_lock_wait_timeout = 1 FOR
INSERT INTO kb_search
  (id, searched_at, session_id, user, profile, question, language, kind, milliseconds, results)
VALUES
  (:id, :searched_at, :session_id, :user, :profile, :question, :language, :kind, :milliseconds,
   :results)

-- add_hit --
-- Log one of the chunks that a search found.
SET STATEMENT lock_wait_timeout = 1, innodb_lock_wait_timeout = 1 FOR
INSERT INTO kb_search_hit (search_id, hit_rank, chunk_id, document_id, score, citation)
VALUES (:search_id, :hit_rank, :chunk_id, :document_id, :score, :citation)

-- search --
-- A search of a user, or of anybody, by its id, which may be anything that somebody typed.
SELECT id, searched_at, profile, question, results FROM kb_search
WHERE id = CONVERT(:id USING ascii) AND (:user IS NULL OR user = :user)

-- last_search --
-- The search that was logged last.
SELECT id FROM kb_search ORDER BY searched_at DESC, id DESC LIMIT 1

-- hits --
-- What a search found, best first.
SELECT chunk_id, document_id, score, citation FROM kb_search_hit
WHERE search_id = :id ORDER BY hit_rank

-- add_feedback --
-- Keep what somebody says of a search or of a turn.
INSERT INTO kb_feedback
  (search_id, session_id, turn_id, rating, comment, clicked_rank, clicked_chunk, edited_sql)
VALUES
  (:search_id, :session_id, :turn_id, :rating, :comment, :clicked_rank, :clicked_chunk, :edited_sql)

-- ratings --
-- What was said of the turns of a session; the last of a turn comes last.
SELECT turn_id, rating FROM kb_feedback
WHERE session_id = :session_id AND rating IS NOT NULL ORDER BY id

-- outcomes --
-- Recent searches with their last rating and the ranks of what was first clicked and cited.
SELECT profile, session_id, milliseconds,
  (SELECT rating FROM kb_feedback AS feedback
    WHERE feedback.search_id = kb_search.id AND rating IS NOT NULL
    ORDER BY feedback.id DESC LIMIT 1) AS rating,
  (SELECT MIN(clicked_rank) FROM kb_feedback AS feedback
    WHERE feedback.search_id = kb_search.id) AS clicked_rank,
  (SELECT MIN(hit_rank) FROM kb_search_hit AS hit
    WHERE hit.search_id = kb_search.id AND citation IS NOT NULL) AS cited_rank
FROM kb_search WHERE searched_at >= UTC_TIMESTAMP(6) - INTERVAL :days DAY
