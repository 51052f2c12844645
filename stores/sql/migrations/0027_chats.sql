-- Chats that are pinned, tagged, or deleted and not yet gone; and turns in versions: `parent` is the number
-- of the turn before it, 0 for a first one, NULL in rows of before, whose turns follow each other. The
-- current turns are those of the way that was chosen.
ALTER TABLE kb_session
  ADD COLUMN IF NOT EXISTS pinned_at DATETIME(6) NULL AFTER memory,
  ADD COLUMN IF NOT EXISTS tags JSON NULL AFTER pinned_at,
  ADD COLUMN IF NOT EXISTS deleted_at DATETIME(6) NULL AFTER tags,
  ADD KEY IF NOT EXISTS deleted_at (deleted_at);

ALTER TABLE kb_turn
  ADD COLUMN IF NOT EXISTS parent INT UNSIGNED NULL AFTER number,
  ADD COLUMN IF NOT EXISTS is_current BOOLEAN NOT NULL DEFAULT TRUE AFTER parent;

-- A chat as it was when somebody shared it, for who has the link; of its secret the hash alone is kept.
CREATE TABLE IF NOT EXISTS kb_share (
  digest BINARY(32) NOT NULL PRIMARY KEY,
  session_id VARCHAR(190) NOT NULL,
  made_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  title VARCHAR(255) NOT NULL,
  content JSON NOT NULL,
  KEY session_id (session_id),
  CONSTRAINT kb_share_session FOREIGN KEY (session_id) REFERENCES kb_session (id) ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
