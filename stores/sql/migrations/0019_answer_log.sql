-- Each question and what came of it; the question only when the configuration keeps it. What its
-- steps took is a list of {"step", "ms"}, what its models took a list by model.
CREATE TABLE IF NOT EXISTS kb_answer_log (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  answered_at DATETIME(6) NOT NULL,
  way VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user VARCHAR(190) NULL,
  session_id VARCHAR(190) NULL,
  turn_id VARCHAR(190) NULL,
  search_id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
  route VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  error VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  question MEDIUMTEXT NULL,
  milliseconds FLOAT NOT NULL,
  steps JSON NOT NULL,
  best_score FLOAT NULL,
  model VARCHAR(255) NULL,
  prompt_tokens INT UNSIGNED NOT NULL,
  completion_tokens INT UNSIGNED NOT NULL,
  cached_tokens INT UNSIGNED NOT NULL,
  embedding_tokens INT UNSIGNED NOT NULL,
  calls JSON NOT NULL,
  cost DECIMAL(18, 9) NULL,
  currency VARCHAR(8) NULL,
  KEY answered_at (answered_at),
  KEY session (session_id)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- What models took on a day, by whose key: small, so that it can be kept for good, and a budget
-- looked up. `unpriced` are the calls of which nobody has said what they cost.
CREATE TABLE IF NOT EXISTS kb_model_use (
  day DATE NOT NULL,
  user VARCHAR(190) NOT NULL,
  purpose VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  model VARCHAR(255) NOT NULL,
  currency VARCHAR(8) NOT NULL,
  calls BIGINT UNSIGNED NOT NULL,
  unpriced BIGINT UNSIGNED NOT NULL,
  estimated BIGINT UNSIGNED NOT NULL,
  prompt_tokens BIGINT UNSIGNED NOT NULL,
  completion_tokens BIGINT UNSIGNED NOT NULL,
  cached_tokens BIGINT UNSIGNED NOT NULL,
  milliseconds DOUBLE NOT NULL,
  cost DECIMAL(20, 9) NOT NULL,
  PRIMARY KEY (day, user, purpose, kind, model, currency)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
