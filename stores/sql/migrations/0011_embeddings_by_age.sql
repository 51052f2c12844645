-- When a vector was put by; those that chunks hold are kept with the chunks alone.
ALTER TABLE kb_embedding
  ADD COLUMN IF NOT EXISTS kept_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP(),
  ADD INDEX IF NOT EXISTS kept_at (kept_at);
