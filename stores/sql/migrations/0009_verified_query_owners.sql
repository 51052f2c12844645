-- A verified query belongs to the API key that saved it, null for a file and for somebody on this
-- machine. One that is saved hides none of a file; `number` grows with every change.
ALTER TABLE kb_verified_query
  ADD COLUMN IF NOT EXISTS key_name VARCHAR(190) NULL AFTER origin,
  ADD COLUMN IF NOT EXISTS number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  ADD UNIQUE KEY IF NOT EXISTS number (number),
  MODIFY COLUMN statement MEDIUMTEXT NOT NULL,
  DROP PRIMARY KEY,
  ADD PRIMARY KEY (origin, name);

-- What a key saved before was kept in its name.
UPDATE kb_verified_query SET key_name = verified_by
WHERE origin = 'saved' AND key_name IS NULL AND verified_by IN (SELECT name FROM kb_api_key);

-- What was saved, confirmed and removed, and by whom; what the file held is not.
CREATE TABLE IF NOT EXISTS kb_verified_query_version (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(190) NOT NULL,
  number INT UNSIGNED NOT NULL,
  action ENUM('saved', 'confirmed', 'removed') NOT NULL,
  changed_by VARCHAR(190) NOT NULL,
  by_key BOOLEAN NOT NULL,
  changed_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  key_name VARCHAR(190) NULL,
  question TEXT NOT NULL,
  language CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  wordings JSON NOT NULL,
  statement MEDIUMTEXT NOT NULL,
  parameters JSON NOT NULL,
  descriptions JSON NOT NULL,
  units JSON NOT NULL,
  verified_by VARCHAR(190) NOT NULL,
  verified_at DATE NOT NULL,
  UNIQUE KEY name (name, number),
  KEY changed_by (changed_by, by_key, id)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

INSERT IGNORE INTO kb_verified_query_version (name, number, action, changed_by, by_key, changed_at,
  key_name, question, language, wordings, statement, parameters, descriptions, units, verified_by,
  verified_at)
SELECT name, 1, 'saved', verified_by, key_name IS NOT NULL, verified_at, key_name, question,
  language, wordings, statement, parameters, descriptions, units, verified_by, verified_at
FROM kb_verified_query WHERE origin = 'saved';
