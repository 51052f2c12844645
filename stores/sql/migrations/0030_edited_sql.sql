-- What somebody made of the SQL of an answer, where that ran.
ALTER TABLE kb_feedback ADD COLUMN IF NOT EXISTS edited_sql TEXT NULL AFTER comment;
