-- kept_uploads --
-- Uploaded files that the database keeps itself.
SELECT path FROM kb_uploaded_file

-- be_patient --
-- A reader that checks and packs may take its time over a row; one that waits for a table does not wait long.
SET net_write_timeout = 3600, lock_wait_timeout = 60

-- begin_snapshot --
-- All that is read from here on is as of this moment; nobody's writing waits for it.
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY

-- tables --
-- What is in this database: tables, views, sequences.
SELECT table_name AS name, table_type AS type FROM information_schema.tables
WHERE table_schema = DATABASE() ORDER BY table_name

-- programs --
-- What a backup of tables does not hold.
SELECT 'trigger' AS kind, trigger_name AS name FROM information_schema.triggers
WHERE trigger_schema = DATABASE()
UNION ALL
SELECT LOWER(routine_type), routine_name FROM information_schema.routines
WHERE routine_schema = DATABASE()
UNION ALL
SELECT 'event', event_name FROM information_schema.events WHERE event_schema = DATABASE()

-- columns --
-- The columns of a table that are written, which generated ones are not.
SELECT column_name AS name, data_type AS type FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = :table AND is_generated = 'NEVER'
ORDER BY ordinal_position

-- definition --
-- How a table was created.
SHOW CREATE TABLE {table}

-- drop_index --
-- Drop an index of a table.
ALTER TABLE {table} DROP INDEX {index}

-- add_index --
-- Build an index by its definition.
ALTER TABLE {table} ADD {index}

-- count --
-- Count the rows of a table, which also keeps everybody from changing its columns until the end.
SELECT COUNT(*) FROM {table}

-- rows --
-- All rows of a table, each value as a text that gives the same value again.
SELECT {values} FROM {table}

-- insert --
-- Write a row as it was read.
INSERT INTO {table} ({columns}) VALUES ({values})

-- schema_version --
-- The number of the last migration of the tables.
SELECT version FROM kb_schema WHERE id = 1

-- upload_directory --
-- Where uploaded files were when they were last indexed.
SELECT path FROM kb_root WHERE name = :root

-- uploads --
-- Uploaded files: those that were read, with their size and time then, and those that wait.
SELECT path, size, modified_at FROM kb_document WHERE root = :root
UNION ALL
SELECT waiting.path, NULL, NULL
FROM kb_job JOIN JSON_TABLE(only_files, '$[*]' COLUMNS (path TEXT PATH '$')) AS waiting
WHERE root = :root AND status IN ('queued', 'running')

-- become_lax --
-- Values are written as they were, also those that MariaDB would take from nobody today, and in any
-- order of tables; what it would change is found when they are compared.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, lock_wait_timeout = 60

-- hold_restoring --
-- Keep a second restore out of a database for as long as this connection lasts.
SELECT GET_LOCK(CONCAT('kb_restore.', MD5(DATABASE())), 0)

-- referring --
-- Tables whose foreign keys lead to another table.
SELECT table_name AS name, referenced_table_name AS referenced
FROM information_schema.referential_constraints
WHERE constraint_schema = DATABASE() AND unique_constraint_schema = DATABASE()

-- database_tables --
-- The tables of another database; none when there is no such database.
SELECT table_name AS name FROM information_schema.tables WHERE table_schema = :database

-- create_database --
-- A database beside the one that is restored.
CREATE DATABASE {database} CHARACTER SET utf8mb4

-- drop_database --
-- Remove what is of no more use.
DROP DATABASE IF EXISTS {database}

-- drop_tables --
-- Remove tables that a restore has made.
DROP TABLE IF EXISTS {tables}

-- rename_tables --
-- Change all tables over at once.
RENAME TABLE {renames}

-- move_root --
-- Uploaded files lie in the directory of this machine from now on, if they lie in any.
UPDATE {roots} SET path = :path WHERE name = :root AND path IS NOT NULL

-- move_jobs --
-- Jobs for uploaded files find them there, too.
UPDATE {jobs} SET path = :path WHERE root = :root AND path <> ''

-- unmark_directory --
-- The directory of this machine is another one, which gets an id when it is first used.
DELETE FROM {directories}

-- show_jobs --
-- Jobs for uploaded files are no longer those of the former directory.
UPDATE {jobs} SET seen_by = NULL WHERE root = :root
