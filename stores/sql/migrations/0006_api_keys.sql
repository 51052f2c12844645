-- Who may call the server: of a key only the digest is kept. Null limits are the configuration's.
CREATE TABLE IF NOT EXISTS kb_api_key (
  id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  name VARCHAR(190) NOT NULL,
  digest BINARY(32) NOT NULL,
  scope ENUM('read', 'write', 'admin') NOT NULL,
  collections JSON NULL,
  requests_per_minute INT UNSIGNED NULL,
  tokens_per_day INT UNSIGNED NULL,
  created_at DATETIME(6) NOT NULL DEFAULT UTC_TIMESTAMP(6),
  revoked_at DATETIME(6) NULL,
  UNIQUE KEY name (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
