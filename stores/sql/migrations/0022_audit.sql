-- Who asked what, and which documents and tables that read. A row is written before the first word; while it
-- says `begun`, its end is not known, for good where the process ended.
CREATE TABLE IF NOT EXISTS kb_audit (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  asked_at DATETIME(6) NOT NULL,
  user VARCHAR(190) NULL,
  way VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  action VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  session_id VARCHAR(190) NULL,
  text MEDIUMTEXT NULL,
  outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'begun',
  error VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  documents JSON NULL,
  tables JSON NULL,
  KEY asked_at (asked_at),
  KEY user (user, asked_at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
