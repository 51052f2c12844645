-- A root may have no directory: its documents were added by a program.
ALTER TABLE kb_root MODIFY COLUMN path TEXT NULL;

-- Whether a job keeps the documents whose files are gone; others remove them.
ALTER TABLE kb_job ADD COLUMN IF NOT EXISTS keep BOOLEAN NOT NULL DEFAULT FALSE AFTER only_files;
