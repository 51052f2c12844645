-- How a question was asked: of which source, by which search profile and with which filters. NULL for
-- what was asked before this was stored.
ALTER TABLE kb_turn
  ADD COLUMN IF NOT EXISTS options JSON NULL AFTER is_stopped;
