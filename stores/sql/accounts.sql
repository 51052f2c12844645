-- create_account --
-- An account that may connect and nothing else; the limit holds even where a session sets none.
CREATE USER IF NOT EXISTS {account} IDENTIFIED VIA mysql_native_password USING '{digest}'
  WITH MAX_STATEMENT_TIME 60

-- heal_account --
-- Give an account that was there the password and the limits of a new one, whoever changed them.
ALTER USER {account} IDENTIFIED VIA mysql_native_password USING '{digest}'
  WITH MAX_STATEMENT_TIME 60

-- allow_reading --
-- Let the account read one table, never a whole database: that would show views and later tables.
GRANT SELECT ON {table} TO {account}

-- account_of_administrator --
-- The account of tables.url, which an administrator makes; the limit holds in every session.
CREATE USER {account} IDENTIFIED BY '{password}' WITH MAX_STATEMENT_TIME 60

-- own_account --
-- The account of database.url, which an administrator makes.
CREATE USER {account} IDENTIFIED BY '{password}'

-- allow_rows --
-- Let the account read and write rows of a database, and change no table.
GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {account}

-- account --
-- Name the account of this session, which is not always the one that was asked for.
SELECT CURRENT_USER()

-- take_role --
-- Take a role that the account has, to see what that may do.
SET ROLE {role}

-- grants --
-- Show what the account of this session may do.
SHOW GRANTS

-- visible_tables --
-- List the tables that the account sees by any grant, to itself, to PUBLIC or to a role.
SELECT table_schema AS database_name, table_name FROM information_schema.tables
WHERE table_schema NOT IN ('information_schema', 'performance_schema')

-- tables_of --
-- List the tables and views of one database.
SELECT table_name FROM information_schema.tables WHERE table_schema = :database
