-- waiting --
-- Find a job that nobody has begun and that does the same as a new one would, of the same files, of
-- other ones, or of all; nobody begins it meanwhile.
SELECT id, only_files FROM kb_job
WHERE status = 'queued' AND path = :path AND root <=> :root AND seen_by <=> :seen_by AND keep = :keep
  AND prune = :prune AND (only_files IS NULL) = (:only_files IS NULL) AND retry = :retry
  AND asked_by <=> :asked_by
ORDER BY number DESC LIMIT 1 FOR UPDATE

-- join --
-- Have a job that waits do other files, too.
UPDATE kb_job SET only_files = :only_files WHERE id = :id

-- count --
-- Count the jobs of each state.
SELECT status, COUNT(*) AS jobs FROM kb_job GROUP BY status

-- add --
-- Add a job to the queue.
INSERT INTO kb_job (id, path, root, seen_by, only_files, keep, prune, retry, asked_by)
VALUES (:id, :path, :root, :seen_by, :only_files, :keep, :prune, :retry, :asked_by)

-- next --
-- Of the jobs that nobody does, or whose process is dead, and whose path is seen here, the oldest of
-- whoever has waited longest since their last one began: many jobs of one asker do not hold up the
-- others.
SELECT job.id FROM (
  SELECT asked_by, MIN(number) AS number FROM kb_job
  WHERE (seen_by IS NULL OR seen_by IN :sees) AND (status = 'queued'
    OR (status = 'running' AND beat_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND))
  GROUP BY asked_by
) first JOIN kb_job job ON job.number = first.number
ORDER BY (SELECT MAX(begun.started_at) FROM kb_job begun WHERE begun.asked_by <=> first.asked_by),
  job.number
LIMIT 1

-- take --
-- Take a job over, unless somebody else was quicker: then no row changes.
UPDATE kb_job SET status = 'running', owner = :owner, started_at = UTC_TIMESTAMP(6),
  beat_at = UTC_TIMESTAMP(6)
WHERE id = :id AND (status = 'queued'
  OR (status = 'running' AND beat_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND))

-- beat --
-- Note how far a job is, and that its process lives; no row changes when somebody else has taken it.
UPDATE kb_job SET files = :files, total = :total, chunks = :chunks, beat_at = UTC_TIMESTAMP(6)
WHERE id = :id AND owner = :owner AND status = 'running'

-- end --
-- Write what came of a job.
UPDATE kb_job SET status = :status, report = :report, error = :error, owner = NULL,
  ended_at = UTC_TIMESTAMP(6)
WHERE id = :id AND owner = :owner

-- give_back --
-- Put a job back into the queue, for another process or for this one when it is back.
UPDATE kb_job SET status = 'queued', owner = NULL, started_at = NULL
WHERE id = :id AND owner = :owner

-- jobs --
-- Read one job, or the last ones, the newest first.
SELECT id, path, root, seen_by, only_files, keep, prune, retry, asked_by, status, files, total, chunks,
  report, error, created_at AS created, started_at AS started, ended_at AS ended
FROM kb_job WHERE :id IS NULL OR id = :id ORDER BY number DESC LIMIT :limit

-- fail_unseen --
-- Give up the jobs that have waited for a day for a machine that has given no sign meanwhile.
UPDATE kb_job SET status = 'failed', owner = NULL, ended_at = UTC_TIMESTAMP(6),
  error = 'No server that sees what is to be indexed has taken this job within a day.'
WHERE seen_by IS NOT NULL AND status IN ('queued', 'running')
  AND COALESCE(beat_at, created_at) < UTC_TIMESTAMP(6) - INTERVAL 1 DAY
  AND seen_by NOT IN (
    SELECT seen_by FROM kb_job WHERE seen_by IS NOT NULL AND beat_at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY
  )

-- forget --
-- Delete jobs that have been over for a month.
DELETE FROM kb_job WHERE ended_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY

-- unreadable --
-- Count the files of somebody's uploads and retries of the last day that could not be read.
SELECT COALESCE(SUM(JSON_LENGTH(report, '$.failed')), 0) FROM kb_job
WHERE asked_by = :asked_by AND (only_files IS NOT NULL OR retry)
  AND ended_at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY
