-- Who may see a document that is not for all: an audience is a number of demands, each met by who is in
-- one of its groups. Demand 0 is of the configuration, the others of the document itself; a demand that
-- nobody meets has the group ''. Whoever meets all sees the documents.
CREATE TABLE IF NOT EXISTS kb_audience (
  id BINARY(16) NOT NULL,
  demand SMALLINT UNSIGNED NOT NULL,
  group_name VARCHAR(190) NOT NULL,
  demands SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (id, demand, group_name),
  KEY group_name (group_name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- The audience of each document; without one it is for those alone who see everything.
ALTER TABLE kb_document
  ADD COLUMN IF NOT EXISTS audience BINARY(16) NULL,
  ADD INDEX IF NOT EXISTS audience (audience);

-- Which rules the audiences were made by, and how often that has changed.
CREATE TABLE IF NOT EXISTS kb_access_rules (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  digest BINARY(32) NULL,
  version INT UNSIGNED NOT NULL DEFAULT 0
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

INSERT IGNORE INTO kb_access_rules (id) VALUES (1);

-- The groups that the holder of a key is in.
ALTER TABLE kb_api_key ADD COLUMN IF NOT EXISTS of_groups JSON NULL AFTER collections;
