-- add --
-- Add a batch that waits for a worker.
INSERT INTO kb_index_batch (run, number, root, directory, files)
VALUES (:run, :number, :root, :directory, :files)

-- take --
-- Take a batch that waits, unless somebody else was quicker or it is over: then no row changes.
UPDATE kb_index_batch SET state = 'running', owner = :owner, embedded = 0,
  beat_at = UTC_TIMESTAMP(6)
WHERE run = :run AND number = :number AND state = 'waiting'

-- files --
-- Read what a worker needs of the batch that it has taken.
SELECT root, directory, files FROM kb_index_batch
WHERE run = :run AND number = :number AND owner = :owner

-- beat --
-- Note that the worker of a batch lives; no row changes when the batch is not its own any more.
UPDATE kb_index_batch SET embedded = :embedded, beat_at = UTC_TIMESTAMP(6)
WHERE run = :run AND number = :number AND owner = :owner AND state = 'running'

-- end --
-- Write what came of a batch.
UPDATE kb_index_batch SET state = 'done', report = :report
WHERE run = :run AND number = :number AND owner = :owner AND state = 'running'

-- give_back --
-- Give a batch back that its worker cannot do, or that it died over.
UPDATE kb_index_batch SET state = 'waiting', owner = NULL, returns = returns + :returned,
  deaths = deaths + :died, reason = :reason
WHERE run = :run AND number = :number AND owner = :owner AND state = 'running'

-- release --
-- Take the batches of a run away from workers that give no sign of life.
UPDATE kb_index_batch SET state = 'waiting', owner = NULL, deaths = deaths + 1, reason = NULL
WHERE run = :run AND state = 'running'
  AND beat_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND

-- states --
-- Read how far the batches of a run are.
SELECT number, state, owner, embedded, deaths, returns, reason, report FROM kb_index_batch
WHERE run = :run

-- any_living --
-- Say whether a worker does a batch of any run, and gives signs of life.
SELECT EXISTS (
  SELECT 1 FROM kb_index_batch
  WHERE state = 'running' AND beat_at >= UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND
)

-- set_files --
-- Leave files out of a batch that nobody has begun.
UPDATE kb_index_batch SET files = :files
WHERE run = :run AND number = :number AND state = 'waiting'

-- remove --
-- Remove a batch that nobody has begun or that is done.
DELETE FROM kb_index_batch WHERE run = :run AND number = :number AND state <> 'running'

-- withdraw --
-- Remove what is left of the runs of a root: of this one, and of those that died before.
DELETE FROM kb_index_batch WHERE root = :root
