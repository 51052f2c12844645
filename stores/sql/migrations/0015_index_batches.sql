-- What a run gives to workers: some files of a root, who reads them, and what came of it. A row goes
-- when the run has its report. `directory` is NULL for uploaded files, which the database keeps.
-- `deaths` counts the workers that ended over it, `returns` those that did not find its files.
CREATE TABLE IF NOT EXISTS kb_index_batch (
  run CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  number INT UNSIGNED NOT NULL,
  root VARCHAR(190) NOT NULL,
  directory TEXT NULL,
  files JSON NOT NULL,
  state ENUM('waiting', 'running', 'done') NOT NULL DEFAULT 'waiting',
  owner VARCHAR(255) NULL,
  embedded INT UNSIGNED NOT NULL DEFAULT 0,
  deaths INT UNSIGNED NOT NULL DEFAULT 0,
  returns INT UNSIGNED NOT NULL DEFAULT 0,
  reason TEXT NULL,
  report JSON NULL,
  beat_at DATETIME(6) NULL,
  PRIMARY KEY (run, number),
  KEY root (root)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
