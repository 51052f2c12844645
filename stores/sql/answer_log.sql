-- add_answer --
-- Log a question and what came of it; nobody waits long for a log.
SET STATEMENT lock_wait_timeout = 1, innodb_lock_wait_timeout = 1 FOR
INSERT INTO kb_answer_log
  (answered_at, way, user, session_id, turn_id, search_id, route, outcome, error, question,
   milliseconds, steps, best_score, model, prompt_tokens, completion_tokens, cached_tokens,
   embedding_tokens, calls, cost, currency)
VALUES
  (:answered_at, :way, :user, :session_id, :turn_id, :search_id, :route, :outcome, :error, :question,
   :milliseconds, :steps, :best_score, :model, :prompt_tokens, :completion_tokens, :cached_tokens,
   :embedding_tokens, :calls, :cost, :currency)

-- add_use --
-- Add what calls of a model took to what the others of the day did.
SET STATEMENT lock_wait_timeout = 1, innodb_lock_wait_timeout = 1 FOR
INSERT INTO kb_model_use
  (day, user, purpose, kind, model, currency, calls, unpriced, estimated, prompt_tokens,
   completion_tokens, cached_tokens, milliseconds, cost)
VALUES
  (:day, :user, :purpose, :kind, :model, :currency, :calls, :unpriced, :estimated, :prompt_tokens,
   :completion_tokens, :cached_tokens, :milliseconds, :cost)
ON DUPLICATE KEY UPDATE
  calls = calls + VALUE(calls),
  unpriced = unpriced + VALUE(unpriced),
  estimated = estimated + VALUE(estimated),
  prompt_tokens = prompt_tokens + VALUE(prompt_tokens),
  completion_tokens = completion_tokens + VALUE(completion_tokens),
  cached_tokens = cached_tokens + VALUE(cached_tokens),
  milliseconds = milliseconds + VALUE(milliseconds),
  cost = cost + VALUE(cost)

-- remove_old --
-- Delete some answers that are older than so many days; nobody waits for all of them.
DELETE FROM kb_answer_log WHERE answered_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY
ORDER BY answered_at LIMIT 5000

-- slowest --
-- List the answers of the last days that took longest.
SELECT question, route, milliseconds, answered_at, outcome, model, steps FROM kb_answer_log
WHERE answered_at >= UTC_DATE() - INTERVAL :days - 1 DAY ORDER BY milliseconds DESC LIMIT :limit

-- answers_by_day --
-- Count the answers of each day and route, with those that had none and those that failed, and
-- how long they took: half of them were as quick, and 95 of 100.
SELECT DISTINCT day, route,
  COUNT(*) OVER of_route AS answers,
  SUM(outcome = 'unanswered') OVER of_route AS unanswered,
  SUM(outcome = 'failed') OVER of_route AS failed,
  SUM(rating = 1) OVER of_route AS up,
  SUM(rating = -1) OVER of_route AS down,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY milliseconds) OVER (PARTITION BY day, route) AS p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY milliseconds) OVER (PARTITION BY day, route) AS p95
FROM (
  SELECT DATE(answered_at) AS day, route, outcome, milliseconds, COALESCE(
    (SELECT rating FROM kb_feedback AS feedback
      WHERE feedback.search_id = answer.search_id AND rating IS NOT NULL
      ORDER BY feedback.id DESC LIMIT 1),
    (SELECT rating FROM kb_feedback AS feedback
      WHERE feedback.session_id = answer.session_id AND feedback.turn_id = answer.turn_id
        AND rating IS NOT NULL
      ORDER BY feedback.id DESC LIMIT 1)) AS rating
  FROM kb_answer_log AS answer WHERE answered_at >= UTC_DATE() - INTERVAL :days - 1 DAY
) AS rated
WINDOW of_route AS (PARTITION BY day, route)
ORDER BY day DESC, route

-- steps --
-- How long each step took, over all days, by route.
SELECT DISTINCT route, step,
  COUNT(*) OVER (PARTITION BY route, step) AS answers,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY ms) OVER (PARTITION BY route, step) AS p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY ms) OVER (PARTITION BY route, step) AS p95
FROM kb_answer_log, JSON_TABLE(steps, '$[*]' COLUMNS (
  step VARCHAR(64) PATH '$.step', ms DOUBLE PATH '$.ms')) AS taken
WHERE answered_at >= UTC_DATE() - INTERVAL :days - 1 DAY
ORDER BY route, p50 DESC

-- errors --
-- Count what failed, by day and kind.
SELECT DATE(answered_at) AS day, error, COUNT(*) AS answers FROM kb_answer_log
WHERE answered_at >= UTC_DATE() - INTERVAL :days - 1 DAY AND error IS NOT NULL
GROUP BY DATE(answered_at), error ORDER BY 1 DESC, 3 DESC, 2

-- ways --
-- Count the answers by the way in which they were asked for.
SELECT way, COUNT(*) AS answers FROM kb_answer_log
WHERE answered_at >= UTC_DATE() - INTERVAL :days - 1 DAY GROUP BY way ORDER BY 2 DESC, 1

-- uses --
-- What models took on each day, by key, from a day on.
SELECT day, user, purpose, kind, model, currency, calls, unpriced, estimated, prompt_tokens,
  completion_tokens, cached_tokens, milliseconds, cost
FROM kb_model_use WHERE day >= :since
ORDER BY day DESC, cost DESC, model, user, purpose, kind, currency

-- spent --
-- What was spent since a day, in a currency, by a key or by all.
SELECT COALESCE(SUM(cost), 0) FROM kb_model_use
WHERE day >= :since AND currency = :currency AND (:user IS NULL OR user = :user)
