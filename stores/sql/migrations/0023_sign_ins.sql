-- Who signed in on the page: of the secret of its cookie only the digest is kept. A sign-in is of a key, of a
-- person whom a provider named, or of whoever started the server, known by the digest of that start's token.
CREATE TABLE IF NOT EXISTS kb_sign_in (
  digest BINARY(32) NOT NULL PRIMARY KEY,
  key_id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
  person VARCHAR(190) NULL,
  of_groups JSON NULL,
  start_digest BINARY(32) NULL,
  expires_at DATETIME(6) NOT NULL,
  KEY expires_at (expires_at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
