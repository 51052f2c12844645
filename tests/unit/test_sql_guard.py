"""Guard one lets ordinary statements over the allowed tables pass, and says why no others."""

import logging
import re
import time
from contextlib import suppress

import pytest
import sqlglot

from engines.tables.parser_log import silence_parser
from engines.tables.sql_guard import DEEPEST, LONGEST, _find_unread_clause, check_statement
from stores.errors import UnsafeQuery
from stores.sql_tokens import tokenize_sql

TABLES = {"customers", "orders", "order_items"}

REFUSED = {
    "begins with": [
        "INSERT INTO orders VALUES (1)",
        "UPDATE orders SET total = 0",
        "DELETE FROM orders",
        "REPLACE INTO orders VALUES (1)",
        "DROP TABLE orders",
        "TRUNCATE orders",
        "CREATE TABLE x (a INT)",
        "ALTER TABLE orders ADD a INT",
        "CALL p()",
        "HANDLER orders OPEN",
        "SET GLOBAL general_log = 1",
        "SHOW TABLES",
        "DESCRIBE orders",
        "LOAD DATA INFILE '/etc/passwd' REPLACE TABLE orders",
        "GRANT ALL ON *.* TO x",
        "TABLE secrets",
        "VALUES (1)",
        "ANALYZE DELETE FROM orders",
        "EXPLAIN DELETE FROM orders",
        "EXPLAIN ANALYZE SELECT * FROM orders",
        "PREPARE s FROM 'DROP TABLE orders'",
        "EXECUTE IMMEDIATE 'DROP TABLE orders'",
        "KILL 1",
        "The answer is 42.",
    ],
    "more than one statement": [
        "SELECT 1; DROP TABLE orders",
        "SELECT 1;; SELECT 2",
        "SELECT 1; -- done\n SELECT 2",
    ],
    "MariaDB would execute": [
        "SELECT 1 /*! UNION SELECT secret FROM secrets */",
        "SELECT 1 /*!50000 UNION SELECT secret FROM secrets */",
        "SELECT 1 /*M! UNION SELECT secret FROM secrets */",
        "SELECT 1 /*m!110000 UNION SELECT secret FROM secrets */",
        "SELECT /*+ MAX_EXECUTION_TIME(0) */ 1",
    ],
    "without a space": [
        "SELECT 1--1, (SELECT secret FROM secrets)",
        "SELECT 1--\u00a0, secret FROM secrets",
    ],
    "changes rows": ["WITH a AS (SELECT 1) DELETE FROM orders"],
    "does not end": [
        "SELECT 'open",
        "SELECT 'a\\' UNION SELECT secret FROM secrets -- ",
        'SELECT "open',
        "SELECT `open",
        "SELECT 1 /* open",
    ],
    "the table secrets is not allowed": [
        "SELECT * FROM secrets",
        "SELECT * FROM .secrets",
        "SELECT * FROM `secrets`",
        "SELECT * FROM orders, secrets",
        "SELECT * FROM orders USE INDEX (a), secrets",
        "SELECT * FROM (orders, secrets)",
        "SELECT * FROM orders JOIN secrets USING (id)",
        "SELECT (SELECT secret FROM secrets)",
        "SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM secrets)",
        "SELECT 1 FROM orders ORDER BY (SELECT secret FROM secrets)",
        "SELECT 1 FROM orders GROUP BY (SELECT secret FROM secrets)",
        "SELECT IF(1, (SELECT secret FROM secrets), 2)",
        "SELECT 1 FROM orders UNION SELECT secret FROM secrets",
        "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
        "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
        "(WITH secrets AS (SELECT 1) SELECT * FROM secrets) UNION SELECT * FROM secrets",
        "SELECT (WITH secrets AS (SELECT 1 a) SELECT a FROM secrets), s.* FROM secrets s",
        "EXPLAIN SELECT * FROM secrets",
        "WITH secrets AS (SELECT 1 x) SELECT * FROM (WITH a AS (SELECT * FROM secrets) SELECT 1) z",
        "WITH secrets AS (SELECT 1 x) SELECT (WITH a AS (SELECT 1 FROM secrets) SELECT 1 FROM a)",
        (
            "WITH RECURSIVE secrets AS (SELECT 1 x) SELECT 1 FROM orders WHERE EXISTS"
            " (WITH RECURSIVE a AS (SELECT * FROM secrets) SELECT 1 FROM a)"
        ),
        "SELECT 1 # '\n FROM secrets -- '",
        "SELECT '\\\\', secret FROM secrets -- '",
    ],
    "the table orEXPLAIN is not allowed": ["SELECT * FROM orEXPLAIN ders"],
    "the database": [
        "SELECT * FROM mysql.user",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM other.orders",
    ],
    "the function": [
        "SELECT SLEEP(5)",
        "SELECT sleep (5)",
        "SELECT SLEEP/**/(5)",
        "SELECT SLEEP -- why\n (5)",
        "SELECT `SLEEP`(5)",
        "SELECT BENCHMARK(1e9, 1)",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT KDF('a', 'b', 2000000000, 'pbkdf2_hmac')",
        "SELECT GET_LOCK('a', 10)",
        "SELECT NEXTVAL(s)",
        "SELECT USER()",
        "SELECT DATABASE()",
        "SELECT EXTRACTVALUE(1, 'x')",
        "SELECT other.left('a', 1)",
        "SELECT my_function(1)",
        "SELECT `FROM`(1)",
        "WITH sleep(a) AS (SELECT 1) SELECT sleep(5) FROM orders",
        "SELECT (1), sleep(5) AS x",
        "SELECT * FROM orders WHERE total > SLEEP(1)",
        "SELECT * FROM orders PARTITION (p0)",
        "SELECT UUID_SHORT()",
        "SELECT * FROM orders USE INDEX (SLEEP(5))",
        "SELECT SLEEP USE INDEX (a) (5) FROM orders",
        "SELECT 1 FROM orders USE INDEX (`a), (`, b) WHERE SLEEP(5)",
        "SELECT `SLEEP(`(5)",
        "SELECT `a (b)` (5), 1 AS `c ()`",
        "SELECT 1 AS `a(`, SLEEP(5) AS `)`",
        "SELECT 1 AS `a``(`, `SLEEP`(5)",
        "SELECT '`', SLEEP(5), '`' AS `(`",
        "SELECT 1 -- `\n, SLEEP(5) AS `(`",
        "WITH `a(` (b) AS (SELECT 1) SELECT `a(`(5) FROM orders",
    ],
    "variable": ["SELECT @@datadir", "SELECT @a", "SELECT @a := 1", "SELECT a := 1"],
    "escape": ["SELECT {fn SLEEP(0)}", "SELECT {d '2026-01-01'}"],
    "INTO writes": [
        "SELECT * INTO OUTFILE '/tmp/x' FROM orders",
        "SELECT * FROM orders INTO DUMPFILE '/tmp/x'",
        "SELECT 1 INTO x",
    ],
    "rows": ["SELECT * FROM orders FOR UPDATE", "SELECT * FROM orders LOCK IN SHARE MODE"],
    "account": ["SELECT CURRENT_USER", "SELECT CURRENT_ROLE"],
    "parameter": ["SELECT * FROM orders WHERE order_id = ?", "SELECT :id"],
    "procedure": ["SELECT * FROM orders PROCEDURE ANALYSE(1)"],
    "outside quotes": ["SELECT \\N", "SELECT 1 FROM orders\u2003", "SELECT €"],
    "not among the parts": [
        "SELECT * FROM LATERAL secrets",
        "SELECT * FROM orders FOR SYSTEM_TIME ALL",
    ],
    "cannot be parsed": [
        "SELECT FROM WHERE",
        "SELECT NEXT VALUE FOR s",
        "SELECT * FROM orders LIMIT ROWS EXAMINED 5",
        "SELECT (1",
    ],
    "written as a number": [
        "SELECT REGEXP_REPLACE(REPEAT('a', 1e8), 'a', 'b')",
        "SELECT SPACE(1e9)",
        "SELECT SPACE(256)",
        "SELECT REPEAT(status, total) FROM orders",
        "SELECT LPAD('a', 16000000, 'b')",
        "SELECT RPAD('a', 1e7, 'b')",
        "SELECT LPAD('a', 100 * 100000, 'b')",
    ],
    "written out": [
        "SELECT TO_CHAR(NOW(), status) FROM orders",
        "SELECT 1 FROM orders WHERE status REGEXP note",
        "SELECT 1 FROM orders WHERE status REGEXP CHAR(97, 42)",
    ],
    "touch": [
        "SELECT b'1'FROM orders, information_schema.system_variables",
        "SELECT x'41'FROM orders",
        "SELECT 'a'FROM orders",
        "SELECT `a`FROM orders",
        "SELECT 1 AS 'a'\"b\"",
        "SELECT b'2'",
        "SELECT t.1 FROM orders",
        "SELECT DATE'2026-01-01'",
        "SELECT _gbk'a'",
    ],
    "begins with a digit": [
        "SELECT variable_name, global_value, 1e5FROM orders,information_schema.system_variables",
        "SELECT 1.FROM orders",
        "SELECT t.1e5FROM orders",
        "SELECT -1.FROM orders",
        "SELECT 0x41FROM orders",
        "SELECT 1e5.FROM orders",
        "SELECT 2nd FROM orders",
        "SELECT \u0663a FROM orders",
    ],
    "the table dual": ["SELECT * FROM `dual`"],
    "the database other": ["SELECT * FROM other.dual"],
    "nests": [
        "SELECT " + "(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1),
        "SELECT " + "(" * 19_000,
        "SELECT " + "CHAR(" * 28 + "1" + ")" * 28,
        "SELECT " + "DATE(" * 28,
        "SELECT " + "YEAR(DATE(" * 9 + "1" + "))" * 9,
    ],
    "need a frame": [
        "SELECT MIN(total) OVER () FROM orders",
        "SELECT MAX(total) OVER (PARTITION BY id ORDER BY ordered_at) FROM orders",
        "SELECT MIN(total) OVER w FROM orders WINDOW w AS (ORDER BY id)",
        "SELECT SUM(MIN(id) OVER w) OVER w FROM orders WINDOW w AS (PARTITION BY id ORDER BY id)",
        "SELECT SUM(1) OVER w FROM orders WINDOW w AS (ORDER BY MIN(id) OVER ())",
        "SELECT STDDEV(total) OVER w FROM orders WINDOW w AS (ORDER BY id)",
        "SELECT MIN(id) OVER (ORDER BY id ROWS BETWEEN 101 PRECEDING AND CURRENT ROW) FROM orders",
        "SELECT MIN(id) OVER (ORDER BY id RANGE BETWEEN 9 PRECEDING AND CURRENT ROW) FROM orders",
        "SELECT MIN(id) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) FROM orders",
    ],
    "characters": ["SELECT " + "1," * LONGEST + "1", "SELECT 1\x00"],
    "empty": ["", "  ", ";", "-- nothing", "EXPLAIN "],
}

ALLOWED = [
    "SELECT 1",
    "WITH a AS (WITH b AS (SELECT * FROM orders) SELECT * FROM b) SELECT * FROM a",
    "SELECT * FROM (WITH b AS (SELECT * FROM orders) SELECT * FROM b) c",
    "SELECT MONTHNAME(ordered_at), TO_DAYS(ordered_at), DATE(DATE_ADD(NOW(), INTERVAL 1 DAY))",
    "SELECT REPEAT('*', LEAST(ROUND(total / 5), 50)) FROM orders",
    "SELECT MAX(total) OVER (ORDER BY id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM orders",
    "SELECT SUM(total) OVER (ORDER BY id RANGE BETWEEN 900 PRECEDING AND CURRENT ROW) FROM orders",
    "SELECT LPAD(MONTH(NOW()), 2, '0') FROM DUAL",
    "SELECT * FROM orders;",
    "select o.order_id, sum(quantity) from orders o join order_items i using (order_id) group by 1",
    "SELECT * FROM shop.orders",
    "SELECT `order_id` AS `delete` FROM `orders` AS `drop`",
    "SELECT SUM(total) AS `Revenue (EUR)`, COUNT(*) AS `n()`, 1 AS `a``(b)` FROM orders",
    "WITH `a (b)` (`c(`) AS (SELECT 1) SELECT `c(` FROM `a (b)`, orders USE INDEX (`d(e)`)",
    "SELECT 'DROP TABLE orders; -- ', \"it's\", 'it''s', 'a\\'b' FROM orders",
    "SELECT '100%', '10:30', 'why?', 'a@b.example', '{}', '/etc' FROM orders",
    "SELECT order_id -- the number\n FROM orders # all\n /* of `them */",
    "SELECT * FROM orders WHERE total > 5 - -3 AND NOT (total <=> NULL) XOR total IN (1, 2)",
    "SELECT 'Total' AS \"Total sales\", SUM(total) FROM orders",
    "SELECT été FROM orders",
    "EXPLAIN SELECT * FROM orders",
    "EXPLAIN FORMAT=JSON SELECT * FROM orders",
    "WITH a AS (SELECT * FROM orders), b AS (SELECT * FROM a) SELECT 1 FROM b UNION SELECT 2",
    "WITH RECURSIVE d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < 9) SELECT * FROM d",
    "WITH m (month, total) AS (SELECT MONTH(ordered_at), SUM(total) FROM orders) SELECT 1 FROM m",
    "WITH customers AS (SELECT * FROM customers) SELECT * FROM customers",
    "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 1",
    "SELECT 1 INTERSECT SELECT 1 EXCEPT SELECT 2",
    "SELECT YEAR(ordered_at) y, COUNT(*) FROM orders GROUP BY y WITH ROLLUP HAVING COUNT(*) > 1",
    "SELECT ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY total DESC) FROM orders",
    "SELECT SUM(1) OVER w FROM orders WINDOW w AS (ORDER BY 1 ROWS 2 PRECEDING)",
    "SELECT SUM(total) OVER w FROM orders WINDOW w AS (ORDER BY total)",
    "SELECT RANK() OVER w, NTILE(4) OVER v FROM orders WINDOW w AS (ORDER BY id), v AS (w)",
    "SELECT MIN(id) OVER (w ROWS 2 PRECEDING) FROM orders WINDOW w AS (ORDER BY id)",
    "SELECT MEDIAN(total) OVER (PARTITION BY status) FROM orders",
    "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY total) OVER () FROM orders",
    "SELECT DATE_ADD(ordered_at, INTERVAL 1 MONTH), ordered_at - INTERVAL 3 DAY FROM orders",
    "SELECT EXTRACT(YEAR FROM ordered_at), TIMESTAMPDIFF(DAY, ordered_at, NOW()) FROM orders",
    "SELECT DATE_FORMAT(ordered_at, '%Y-%m'), CURRENT_DATE, DATE '2026-01-01' FROM orders",
    "SELECT GROUP_CONCAT(DISTINCT status ORDER BY status SEPARATOR ', ') FROM orders",
    "SELECT JSON_VALUE('{\"a\": 1}', '$.a'), JSON_OBJECT('n', COUNT(*)) FROM orders",
    "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS j",
    "SELECT CAST(total AS DECIMAL(10, 2)), CONVERT('a' USING utf8mb4) FROM orders",
    "SELECT CASE WHEN total > 5 THEN 'big' ELSE 'small' END, IF(total, 1, 0) FROM orders",
    "SELECT 1 FROM orders WHERE a LIKE 'a!%' ESCAPE '!' OR a REGEXP '^a' COLLATE utf8mb4_bin",
    "SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders WHERE id = c.customer_id)",
    "SELECT * FROM orders WHERE total > ALL (SELECT total FROM orders) AND total = ANY (SELECT 1)",
    "SELECT * FROM customers c LEFT JOIN orders o ON c.id = o.id NATURAL JOIN order_items",
    "SELECT 1 DIV 2, total % 2, LEFT(status, 1), INSERT(status, 1, 1, 'x') FROM orders",
    "SELECT REPLACE(status, 'a', 'b'), TRIM(LEADING 'a' FROM status), 0x1F, x'41' FROM orders",
    "SELECT * FROM orders WHERE status = 'plus de 1\u00a0000\u202f€'",
    "SELECT order_id FROM orders ORDER BY order_id LIMIT 5 OFFSET 10",
    "SELECT * FROM orders o FORCE INDEX (PRIMARY, `by day`) JOIN customers USE KEY FOR JOIN (a)",
    "SELECT _utf8mb4'\u00e9' COLLATE utf8mb4_bin, N'abc', MD5(status) FROM orders",
    "SELECT JSON_DETAILED(a), JSON_SET(a, '$.b', 1), JSON_INSERT(a, '$.b', 1) FROM orders",
    "SELECT JSON_REPLACE(a, '$.b', 1), JSON_REMOVE(a, '$.b'), JSON_MERGE_PATCH(a, b) FROM orders",
]


@pytest.mark.parametrize(
    ("reason", "sql"), [(reason, sql) for reason, all_of_it in REFUSED.items() for sql in all_of_it]
)
def test_what_may_do_more_than_read_is_refused_with_its_reason(reason, sql):
    with pytest.raises(UnsafeQuery, match=re.escape(reason)):
        check_statement(sql, TABLES, "shop")


@pytest.mark.parametrize("sql", ALLOWED)
def test_ordinary_questions_pass(sql):
    check_statement(sql, TABLES, "shop")


def test_words_that_the_parser_cuts_otherwise_are_the_reason_of_a_refusal(monkeypatch):
    cut = sqlglot.tokenize
    monkeypatch.setattr(sqlglot, "tokenize", lambda sql, read: cut(f"{sql} FROM b", read=read))
    with pytest.raises(UnsafeQuery, match="MariaDB and the parser would cut it differently"):
        check_statement("SELECT a", TABLES)


def test_a_defect_of_the_guard_refuses_the_statement_and_is_logged(monkeypatch, caplog):
    def fail(*_: object) -> str:
        raise KeyError("defect")

    monkeypatch.setattr("engines.tables.sql_guard.find_costly_call", fail)
    with pytest.raises(UnsafeQuery, match=re.escape("kb could not judge it (KeyError)")):
        check_statement("SELECT total FROM orders", TABLES)
    [record] = caplog.records
    assert record.exc_info[0] is KeyError


def test_the_refusal_of_a_table_names_those_that_are_allowed():
    with pytest.raises(UnsafeQuery, match="customers, order_items, orders"):
        check_statement("SELECT * FROM Orders", TABLES, "shop")


def test_half_a_character_is_no_text():
    with pytest.raises(UnsafeQuery, match="control characters"):
        check_statement("SELECT '\ud800'", TABLES)


def test_a_refused_statement_writes_nothing_on_standard_error(capfd, caplog):
    with pytest.raises(UnsafeQuery):
        check_statement("SELECT 1 FROM orders FOR PORTION OF x; VACUUM", TABLES)
    assert capfd.readouterr().err == ""
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("SELECT a FROM orders", "SELECT a orders"),
        ("SELECT a, (SELECT b) FROM orders", "SELECT a, (b) FROM orders"),
        ("SELECT a FROM orders UNION SELECT b FROM orders", "SELECT a FROM orders"),
        ("SELECT a FROM orders JOIN secrets", "SELECT a FROM orders"),
        ("SELECT a FROM secrets", "SELECT a FROM orders"),
        ("SELECT a FROM shop.secrets", "SELECT a FROM shop.orders"),
        ("SELECT a FROM orders STRAIGHT_JOIN `secrets`", "SELECT a FROM orders, customers"),
        ("SELECT a FROM (orders JOIN secrets)", "SELECT a FROM (orders, customers)"),
    ],
)
def test_a_clause_that_the_parser_read_otherwise_is_found(text, tree):
    code = [token for token in tokenize_sql(text) if token.is_code]
    assert _find_unread_clause(code, sqlglot.parse_one(tree, read="mysql"))
    assert not _find_unread_clause(code, sqlglot.parse_one(text, read="mysql"))


@pytest.mark.parametrize(
    ("sql", "value"),
    [("SELECT TO_CHAR(NOW(), :x)", "canary"), ("SELECT 1 :x", 4711), ("SELECT (1 :x", "canary")],
)
def test_no_reason_tells_a_value(sql, value):
    with pytest.raises(UnsafeQuery) as refused:
        check_statement(sql, TABLES, values={"x": value})
    assert str(value) not in str(refused.value)


@pytest.mark.parametrize(
    "sign", ["(", "'", '"', "`", "/*", "\\'", "x'", ":", "-", "--\n", "[", "a."]
)
def test_no_statement_keeps_the_guard_busy(sign):
    begin = time.process_time()
    for sql in (sign * (19_000 // len(sign)), f"SELECT '{sign * (19_000 // len(sign))}"):
        with suppress(UnsafeQuery):
            check_statement(sql, TABLES)
    assert time.process_time() - begin < 1


def test_the_parser_is_silent_only_while_a_statement_is_read(caplog):
    logger = logging.getLogger("sqlglot")
    with silence_parser():
        logger.warning("of a statement that is refused")
    logger.warning("of the host program")
    assert caplog.messages == ["of the host program"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM .secrets",
        "SELECT * FROM crm . secrets",
        "SELECT * FROM `crm`.`secrets`",
        "SELECT * FROM `crm.contacts`",
        "SELECT * FROM `crm`.contacts, secrets",
        "SELECT * FROM crm.orders",
        "SELECT crm.contacts.name FROM orders, crm.secrets",
        "SELECT * FROM crm.contacts JOIN mysql.user",
        "WITH `crm.contacts` AS (SELECT 1) SELECT * FROM crm.secrets",
        "SELECT (SELECT 1 FROM information_schema.tables LIMIT 1) FROM crm.contacts",
        "SELECT * FROM crm.contacts c, LATERAL (SELECT * FROM crm.secrets) x",
        "SELECT * FROM crm.contacts FOR SYSTEM_TIME ALL",
        "SELECT * FROM crm.contacts PARTITION (p0)",
        "TABLE crm.contacts",
        "SELECT * FROM (crm.secrets)",
        "SELECT * FROM ((crm.contacts, crm.secrets))",
        "SELECT * FROM {OJ crm.contacts LEFT JOIN crm.secrets ON 1}",
        "SELECT * FROM crm.contacts NATURAL JOIN sys.x",
        "SELECT crm.f(1)",
        "SELECT * FROM crm.contacts UNION SELECT * FROM `CRM`.contacts",
        "SELECT * FROM Crm.contacts",
        "SELECT * FROM crm.contacts WHERE EXISTS(SELECT 1 FROM mysql.global_priv)",
        "SELECT NEXTVAL(crm.s)",
        "SELECT NEXT VALUE FOR crm.s",
        "SELECT * FROM crm.contacts PROCEDURE ANALYSE()",
        "SELECT * FROM def.crm.contacts",
        "HANDLER crm.contacts OPEN",
        "SELECT * FROM crm.contacts INTO @x",
        "SELECT * FROM crm/**/.secrets",
        'SELECT * FROM crm."contacts"',
        "EXPLAIN SELECT * FROM crm.secrets",
        "SELECT * FROM JSON_TABLE('[]','$' COLUMNS(a INT PATH '$')) x, crm.secrets",
    ],
)
def test_of_another_database_the_named_tables_alone_are_read(sql):
    with pytest.raises(UnsafeQuery):
        check_statement(sql, ["orders", "crm.contacts"], "shop")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM crm.contacts",
        "SELECT * FROM shop.orders o JOIN `crm`.`contacts` c ON c.id = o.id",
        "SELECT crm.contacts.name FROM crm.contacts",
        "WITH secrets AS (SELECT 1 AS a) SELECT a FROM secrets, crm . contacts",
    ],
)
def test_tables_of_several_databases_may_be_named_in_each_way(sql):
    check_statement(sql, ["orders", "crm.contacts"], "shop")
