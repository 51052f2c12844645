-- Which run indexes a root, as a row that is written: another node of a cluster sees no row lock.
-- `node` is the server that has the run's lock, `beat_at` the run's last sign of life.
CREATE TABLE IF NOT EXISTS kb_indexing_run (
  root VARCHAR(190) NOT NULL PRIMARY KEY,
  owner VARCHAR(255) NULL,
  node VARCHAR(255) NULL,
  beat_at DATETIME(6) NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
