-- What was said so far of an answer under way, the last sign of life of what gives it, and whether
-- somebody asked to stop it: any process can show the turn, end it, and tell that its own has ended.
ALTER TABLE kb_turn
  ADD COLUMN IF NOT EXISTS said LONGTEXT NULL,
  ADD COLUMN IF NOT EXISTS beat_at DATETIME(6) NULL,
  ADD COLUMN IF NOT EXISTS is_stopped BOOLEAN NOT NULL DEFAULT FALSE;
