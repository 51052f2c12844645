-- What a key may ask from, null for everything; whether it verifies queries; when it ends.
ALTER TABLE kb_api_key
  ADD COLUMN IF NOT EXISTS only_from ENUM('documents', 'tables') NULL AFTER collections,
  ADD COLUMN IF NOT EXISTS verifies BOOLEAN NOT NULL DEFAULT FALSE AFTER only_from,
  ADD COLUMN IF NOT EXISTS expires_at DATETIME(6) NULL AFTER created_at;

-- Whose search it was, by whose key: nobody else says what it was worth.
ALTER TABLE kb_search ADD COLUMN IF NOT EXISTS user VARCHAR(190) NULL AFTER session_id;
