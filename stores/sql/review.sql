-- poor_answers --
-- The answers that rested on nothing, were last rated down, or whose SQL somebody has changed, and the
-- searches without an answer that were rated down, of so many days; each with the time of the last that
-- came of it.
SELECT question, asked_at, route, unanswered, rating, comment, edited_sql,
  GREATEST(asked_at, COALESCE(given_at, asked_at), COALESCE(edited_at, asked_at)) AS happened_at
FROM (
  SELECT answer.question, answer.answered_at AS asked_at, answer.route,
    answer.outcome = 'unanswered' AS unanswered, feedback.rating, feedback.comment, feedback.given_at,
    edited.edited_sql, edited.given_at AS edited_at
  FROM kb_answer_log AS answer
  LEFT JOIN kb_feedback AS feedback ON feedback.id = COALESCE(
    (SELECT MAX(id) FROM kb_feedback AS said
      WHERE said.search_id = answer.search_id AND rating IS NOT NULL),
    (SELECT MAX(id) FROM kb_feedback AS said
      WHERE said.session_id = answer.session_id AND said.turn_id = answer.turn_id
        AND rating IS NOT NULL))
  LEFT JOIN kb_feedback AS edited ON edited.id = (
    SELECT MAX(id) FROM kb_feedback AS said
      WHERE said.session_id = answer.session_id AND said.turn_id = answer.turn_id
        AND edited_sql IS NOT NULL)
  WHERE answer.answered_at >= UTC_TIMESTAMP(6) - INTERVAL :days DAY
    AND (answer.outcome = 'unanswered' OR feedback.rating = -1 OR edited.id IS NOT NULL)
  UNION ALL
  SELECT search.question, search.searched_at, 'search', search.results = 0, feedback.rating,
    feedback.comment, feedback.given_at, NULL, NULL
  FROM kb_search AS search
  JOIN kb_feedback AS feedback ON feedback.id = (
    SELECT MAX(id) FROM kb_feedback AS said
      WHERE said.search_id = search.id AND rating IS NOT NULL)
  WHERE search.searched_at >= UTC_TIMESTAMP(6) - INTERVAL :days DAY AND feedback.rating = -1
    AND search.id NOT IN (SELECT search_id FROM kb_answer_log WHERE search_id IS NOT NULL)
) AS poor
ORDER BY asked_at DESC

-- done --
-- Until when each question was dealt with.
SELECT item, done_until FROM kb_review_done

-- remove_spent --
-- Forget what was done with questions of before all that the logs still hold; it hides nothing.
DELETE FROM kb_review_done WHERE done_until < LEAST(
  COALESCE((SELECT MIN(answered_at) FROM kb_answer_log), UTC_TIMESTAMP(6)),
  COALESCE((SELECT MIN(searched_at) FROM kb_search), UTC_TIMESTAMP(6)))

-- mark_done --
-- Note that a question was dealt with; a mark never moves back.
INSERT INTO kb_review_done (item, done_until, done_by) VALUES (:item, :done_until, :done_by)
ON DUPLICATE KEY UPDATE
  done_by = IF(VALUE(done_until) >= done_until, VALUE(done_by), done_by),
  done_until = GREATEST(done_until, VALUE(done_until))
