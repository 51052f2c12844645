-- What the server is asked to index; `owner` is the process that does it, `beat_at` its last sign.
CREATE TABLE IF NOT EXISTS kb_job (
  id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  path TEXT NOT NULL,
  root VARCHAR(190) NULL,
  prune BOOLEAN NOT NULL DEFAULT FALSE,
  asked_by VARCHAR(190) NULL,
  status ENUM('queued', 'running', 'done', 'failed') NOT NULL DEFAULT 'queued',
  owner VARCHAR(255) NULL,
  files INT UNSIGNED NOT NULL DEFAULT 0,
  total INT UNSIGNED NOT NULL DEFAULT 0,
  chunks INT UNSIGNED NOT NULL DEFAULT 0,
  report JSON NULL,
  error TEXT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  started_at DATETIME(6) NULL,
  beat_at DATETIME(6) NULL,
  ended_at DATETIME(6) NULL,
  UNIQUE KEY number (number),
  KEY status (status, number)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
