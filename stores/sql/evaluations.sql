-- corpus --
-- Say whether all documents of a labelled set are in a chunk table.
SELECT COUNT(*) FROM kb_evaluation_corpus WHERE chunk_table = :chunk_table

-- add_corpus --
-- Note that all documents of a labelled set are in a chunk table.
INSERT INTO kb_evaluation_corpus (chunk_table, set_name, embedding_model)
VALUES (:chunk_table, :set_name, :embedding_model)

-- forget_corpus --
-- Note that a chunk table does not hold all documents of its set, as they are written again.
DELETE FROM kb_evaluation_corpus WHERE chunk_table = :chunk_table

-- add --
-- Keep a run of an evaluation; its number comes back.
INSERT INTO kb_evaluation (set_name, set_hash, cutoff, profile, settings, embedding_model, metrics,
  scores)
VALUES (:set_name, :set_hash, :cutoff, :profile, :settings, :embedding_model, :metrics, :scores)
RETURNING run

-- run --
-- Read one run with the scores of its questions.
SELECT run, created_at, set_name, set_hash, cutoff, profile, settings, embedding_model, metrics,
  scores
FROM kb_evaluation WHERE run = :run

-- runs --
-- List all runs, or those of a set, the latest first; without the scores of their questions.
SELECT run, created_at, set_name, set_hash, cutoff, profile, settings, embedding_model, metrics
FROM kb_evaluation WHERE :set_name IS NULL OR set_name = :set_name ORDER BY run DESC
