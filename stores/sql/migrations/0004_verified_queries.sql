-- Questions whose SQL a person has checked; those of origin `file` follow the file they are in.
CREATE TABLE IF NOT EXISTS kb_verified_query (
  name VARCHAR(190) NOT NULL PRIMARY KEY,
  origin ENUM('file', 'saved') NOT NULL,
  question TEXT NOT NULL,
  language CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  wordings JSON NOT NULL,
  statement TEXT NOT NULL,
  parameters JSON NOT NULL,
  descriptions JSON NOT NULL,
  units JSON NOT NULL,
  verified_by VARCHAR(190) NOT NULL,
  verified_at DATE NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
