-- Each chat session; `turns` and `messages` are the last number and position that were given.
CREATE TABLE IF NOT EXISTS kb_session (
  id VARCHAR(190) NOT NULL PRIMARY KEY,
  title VARCHAR(255) NOT NULL DEFAULT '',
  user VARCHAR(190) NULL,
  turns INT UNSIGNED NOT NULL DEFAULT 0,
  messages INT UNSIGNED NOT NULL DEFAULT 0,
  memory JSON NULL,
  created_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  updated_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  KEY updated_at (updated_at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- A question and what came of it; their words are its two messages. `owner` is who answers it.
CREATE TABLE IF NOT EXISTS kb_turn (
  session_id VARCHAR(190) NOT NULL,
  number INT UNSIGNED NOT NULL,
  id VARCHAR(190) NOT NULL,
  status ENUM('open', 'complete', 'partial', 'failed') NOT NULL DEFAULT 'open',
  owner VARCHAR(255) NOT NULL,
  standalone LONGTEXT NULL,
  rewritten_by VARCHAR(16) NOT NULL DEFAULT '',
  error TEXT NULL,
  evidence JSON NULL,
  model VARCHAR(255) NULL,
  prompt_tokens INT UNSIGNED NULL,
  completion_tokens INT UNSIGNED NULL,
  asked_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  answered_at DATETIME(6) NULL,
  PRIMARY KEY (session_id, number),
  UNIQUE KEY turn (session_id, id),
  CONSTRAINT kb_turn_session FOREIGN KEY (session_id) REFERENCES kb_session (id)
    ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- What was said, as LlamaIndex's ChatMessage; `turn` is the number of its turn, if it has one.
CREATE TABLE IF NOT EXISTS kb_message (
  session_id VARCHAR(190) NOT NULL,
  position INT UNSIGNED NOT NULL,
  turn INT UNSIGNED NULL,
  role VARCHAR(16) NOT NULL,
  status ENUM('active', 'archived') NOT NULL,
  data JSON NOT NULL,
  PRIMARY KEY (session_id, position),
  KEY turn (session_id, turn),
  CONSTRAINT kb_message_session FOREIGN KEY (session_id) REFERENCES kb_session (id)
    ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- The searches of a session go with it.
ALTER TABLE kb_search ADD KEY IF NOT EXISTS session (session_id);
