"""A call that MariaDB could not stop is refused, wherever its long texts come from."""

import pytest

from engines.tables.sql_guard import check_statement
from stores.errors import UnsafeQuery

TABLES = {"orders", "categories"}
PAD = "RPAD('a', 255, 'a')"
SQUARED = f"REPLACE({PAD}, 'a', {PAD})"  # 65,025 characters
LONG = f"'{'a' * 9000}'"
NUMBERS = f"'[{'1,' * 2000}1]'"


def expanded(step: str, steps: int) -> str:
    """Each CTE names the one before it twice."""
    ctes = [f"c{n + 1} AS ({step.format(n)})" for n in range(steps)]
    return f"WITH c0 AS (SELECT id x FROM orders), {', '.join(ctes)} SELECT x FROM c{steps}"


COSTLY = [
    f"SELECT LENGTH(REPLACE(REPLACE({SQUARED}, 'a', {PAD}), 'a', 'aaaa'))",
    f"SELECT REPLACE({SQUARED}, 'a', {PAD})",
    f"SELECT {SQUARED} LIKE CONCAT('%', {SQUARED}, {SQUARED}, {SQUARED}, '%')",
    f"SELECT JSON_OVERLAPS(REPEAT({NUMBERS}, 9), REPEAT({NUMBERS}, 9))",
    f"SELECT JSON_CONTAINS(CONCAT('[\"', {SQUARED}, '\"]'), {LONG})",
    f"SELECT LOCATE(CONCAT({SQUARED}, {SQUARED}, 'b'), CONCAT({SQUARED}, {SQUARED}))",
    f"SELECT INSTR(REPEAT({LONG}, 99), {LONG})",
    f"SELECT SUBSTRING_INDEX(CONCAT({SQUARED}, {SQUARED}), CONCAT({SQUARED}, {SQUARED}), 3)",
    f"SELECT REGEXP_REPLACE({SQUARED}, 'a*a*[bc]', 'x')",
    (
        "SELECT REGEXP_REPLACE(status, '(?=(.*))', '\\\\1\\\\1') FROM orders WHERE"
        " REGEXP_REPLACE(REGEXP_REPLACE(status, '(?=(.*))', '\\\\1'), '(?=(.*))', '\\\\1') = 'a'"
    ),
    "SELECT 1 FROM orders WHERE status REGEXP 'a*a*a*a*a*[bc]'",
    "SELECT 1 FROM orders WHERE status REGEXP '[a-z]{1,99}[a-z]{1,99}a+b+c+[xy]'",
    "SELECT 1 FROM orders WHERE status REGEXP CONCAT('a*a*', 'a*a*a*')",
    "SELECT 1 FROM orders WHERE status REGEXP '\\\\Q[\\\\Ea*a*a*a*a*]'",
    "SELECT 1 FROM orders WHERE status REGEXP '(?x)#[\na*a*a*a*a*b|]'",
    "SELECT 1 FROM orders WHERE status REGEXP '\\\\[a*a*a*a*a*b]'",
    "SELECT 1 FROM orders WHERE status REGEXP x'612a612a612a612a612a62'",
    f"SELECT REPLACE(x, 'a', 'bb') FROM (SELECT CONCAT({SQUARED}, {SQUARED}) AS x) t",
    f"SELECT REPLACE(t.`a`, 'a', 'bb') FROM (SELECT CONCAT({SQUARED}, {SQUARED})) t",
    f"SELECT REPLACE(x, 'a', 'b') FROM (SELECT *, CONCAT({SQUARED}, {SQUARED}) x FROM orders) t",
    f"WITH t (x) AS (SELECT CONCAT({SQUARED}, {SQUARED})) SELECT REPLACE(x, 'a', 'bb') FROM t",
    (
        f"WITH t (x) AS (SELECT 'a' UNION SELECT CONCAT({SQUARED}, {SQUARED}))"
        " SELECT REPLACE(x, 'a', 'bb') FROM t"
    ),
    (
        f"WITH t (x, y) AS (SELECT *, 1 FROM orders UNION SELECT 1, CONCAT({SQUARED}, {SQUARED}))"
        " SELECT REPLACE(x, 'a', 'bb') FROM t"
    ),
    (
        "WITH RECURSIVE t (x) AS (SELECT CAST('a' AS CHAR(200000)) UNION ALL"
        " SELECT CONCAT(x, x) FROM t) SELECT REPLACE(x, 'a', 'bb') FROM t"
    ),
    (
        "SELECT REPLACE(x, 'a', 'bb') FROM (SELECT CONCAT(x, x, x) x FROM"
        f" (SELECT CONCAT(x, x, x) x FROM (SELECT {SQUARED} x) a) b) c"
    ),
    (
        f"SELECT REPLACE(j, 'a', 'b') FROM JSON_TABLE(CONCAT({SQUARED}, {SQUARED}), '$' COLUMNS"
        " (j TEXT PATH '$')) t"
    ),
    f"SELECT (SELECT REPLACE(t.x, 'a', 'b')) FROM (SELECT CONCAT({SQUARED}, {SQUARED}) x) t",
    f"SELECT CONCAT({SQUARED}, {SQUARED}) AS x FROM orders ORDER BY REPLACE(x, 'a', 'b')",
    f"SELECT 1 FROM orders o JOIN orders p ON LOCATE({SQUARED}, REPEAT({LONG}, 40))",
    f"SELECT SUM(1) OVER (ORDER BY LOCATE({SQUARED}, REPEAT({LONG}, 40))) FROM orders",
    f"SELECT 1 UNION SELECT 2 ORDER BY LOCATE({SQUARED}, REPEAT({LONG}, 40))",
    f"SELECT 1 FROM orders WHERE EXISTS (SELECT 1 HAVING LOCATE({SQUARED}, REPEAT({LONG}, 40)))",
    f"SELECT HEX(HEX(HEX(HEX({SQUARED}))))",
    (
        "WITH RECURSIVE t (x) AS (SELECT note FROM orders UNION ALL SELECT CONCAT(x, x) FROM t)"
        " SELECT REPLACE(x, 'a', 'bb') FROM t"
    ),
    (
        "WITH RECURSIVE t (x, y) AS (SELECT note, note FROM orders UNION ALL"
        " SELECT CONCAT(y, y), x FROM t) SELECT REPLACE(y, 'a', 'bb') FROM t"
    ),
    (
        "WITH RECURSIVE t AS (SELECT * FROM orders UNION ALL SELECT CONCAT(note, note) FROM t)"
        " SELECT REPLACE(note, 'a', 'bb') FROM t"
    ),
    (
        "WITH RECURSIVE t (x) AS (SELECT GROUP_CONCAT('a') UNION ALL SELECT CONCAT(x, x) FROM t)"
        " SELECT REPLACE(x, 'a', 'bb') FROM t"
    ),
    f"SELECT TRIM(TRAILING 'aa' FROM REPEAT({LONG}, 99))",
    f"SELECT REGEXP_REPLACE(REPEAT({LONG}, 99), 'a', '')",
    f"SELECT x LIKE CONCAT('%', x) FROM (SELECT {SQUARED} x) t",
    f"SELECT {', '.join(['LOCATE(x, y)'] * 20)} FROM (SELECT {SQUARED} x, {SQUARED} y) t",
    f"SELECT x IN ('b'{', x' * 1000}) FROM (SELECT REPEAT({LONG}, 99) x) t",
    f"SELECT {', '.join('x' * 2000)} FROM (SELECT REPEAT({LONG}, 99) x) t",
    "SELECT 1 FROM orders WHERE note REGEXP '(?:a|a){22}[bc]'",
    f"SELECT 1 FROM orders WHERE note REGEXP '{'(a|a)' * 22}[bc]'",
    f"SELECT 1 FROM orders WHERE note REGEXP '{'a' * 1001}'",
    expanded("SELECT x + x AS x FROM c{}", 20),
    expanded("SELECT x + x AS x FROM c{} GROUP BY x + x", 20),
    expanded("SELECT (SELECT a.x + b.x FROM c{0} b) AS x FROM c{0} a", 20),
    f"SELECT id a0{''.join(f', (SELECT a{n} + a{n}) a{n + 1}' for n in range(20))} FROM orders",
    f"SELECT id a0{''.join(f', a{n} + a{n} a{n + 1}' for n in range(20))} FROM orders",
]

ORDINARY = [
    "SELECT REPLACE(REPLACE(status, ' ', '&nbsp;'), '<', '&lt;') FROM orders",
    "SELECT REPLACE(GROUP_CONCAT(status), ',', ' / ') FROM orders",
    "SELECT 1 FROM orders WHERE status LIKE CONCAT('%', note, '%') AND LOCATE(status, note)",
    "SELECT 1 FROM orders WHERE mail REGEXP '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\\\.[A-Za-z]{2,}$'",
    "SELECT 1 FROM orders WHERE mail REGEXP '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\\\.[a-z]{2,}'",
    "SELECT 1 FROM orders WHERE phone REGEXP '^[0-9]{3}-[0-9]{3}-[0-9]{4}$'",
    (
        "SELECT 1 FROM orders WHERE phone REGEXP"
        " '^\\\\+?[0-9]{1,3}?[-. ]?\\\\(?[0-9]{3}\\\\)?[-. ]?[0-9]{3}[-. ]?[0-9]{4}$'"
    ),
    "SELECT 1 FROM orders WHERE status REGEXP 'new|sent|returned|(jan|feb|mar)uary'",
    "SELECT 1 FROM orders WHERE ip REGEXP '^([0-9]{1,3}\\\\.){3}[0-9]{1,3}$'",
    f"SELECT 1 FROM orders WHERE {' OR '.join(f'id = {n}' for n in range(500))}",
    "SELECT REGEXP_REPLACE(phone, '[^0-9]+', ''), REGEXP_SUBSTR(note, '[0-9]+') FROM orders",
    "SELECT REGEXP_REPLACE(note, '(\\\\w+) (\\\\w+)', '\\\\2 \\\\1') FROM orders",
    (
        "WITH RECURSIVE t (id, path) AS (SELECT id, CAST(name AS CHAR(500)) FROM categories"
        " UNION ALL SELECT c.id, CONCAT(t.path, ' > ', c.name) FROM categories c"
        " JOIN t ON c.parent = t.id) SELECT REPLACE(path, ' > ', '/') FROM t WHERE path LIKE '%a%'"
    ),
    (
        "WITH RECURSIVE t (id, name, n) AS (SELECT id, name, 1 FROM categories UNION ALL"
        " SELECT c.id, c.name, n + 1 FROM categories c JOIN t ON c.parent = t.id)"
        " SELECT REPLACE(name, 'a', 'b') FROM t"
    ),
    "SELECT CONCAT_WS(', ', a, b, c, d, e, f, g), SUBSTRING_INDEX(mail, '@', -1) FROM orders",
    'SELECT JSON_CONTAINS(tags, \'"new"\'), JSON_OVERLAPS(tags, \'["a", "b"]\') FROM orders',
    "SELECT JSON_OBJECT('a', JSON_ARRAYAGG(JSON_OBJECT('id', id, 'name', name))) FROM orders",
    "SELECT DATE_FORMAT(day, '%W, %M %e, %Y'), ELT(MONTH(day), 'a', 'b') FROM orders",
]


@pytest.mark.parametrize("sql", COSTLY)
def test_a_call_that_could_work_for_long_is_refused(sql):
    reason = "could not be stopped|may make a text|may have|written out|is made of|has 1,001 char"
    with pytest.raises(UnsafeQuery, match=reason):
        check_statement(sql, TABLES)


@pytest.mark.parametrize("sql", ORDINARY)
def test_what_people_ask_is_not(sql):
    check_statement(sql, TABLES)


def test_the_values_that_are_bound_count_as_they_are():
    sql = "SELECT LOCATE(CONCAT(:x, :x), REPEAT(:x, 50)), :y REGEXP :p"
    check_statement(sql, TABLES, values={"x": "a" * 9, "y": "b", "p": "^b*$"})
    with pytest.raises(UnsafeQuery, match=r"may make a text|could not be stopped"):
        check_statement(sql, TABLES, values={"x": "a" * 20_000, "y": "b", "p": "^b*$"})
    with pytest.raises(UnsafeQuery, match="could not be stopped"):
        check_statement(sql, TABLES, values={"x": "a", "y": "b" * 999, "p": "b*b*b*b*c"})
    with pytest.raises(UnsafeQuery, match="the value of :x has 20001 characters"):
        check_statement(sql, TABLES, values={"x": "a" * 20_001, "y": "b", "p": "b"})


def test_nesting_costs_the_guard_itself_no_time():
    body = "SELECT 'a' AS x"
    for depth in range(14):
        body = f"WITH RECURSIVE t{depth} AS (SELECT 'a' AS x UNION ({body})) SELECT x FROM t{depth}"
    check_statement(body, TABLES)
