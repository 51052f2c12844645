"""Where values are kept: for their time, within their bytes, and never in the way of an answer."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis_server import REDIS, Redis, running_redis

from stores.caches.cache import Cache, CacheSize, Place, make_key
from stores.caches.database_place import DatabasePlace
from stores.caches.process_place import ProcessPlace
from stores.caches.redis_place import RedisPlace
from stores.errors import ConfigError
from stores.registry.schema import migrate

MB = 1024**2
A, B, C = (make_key(name) for name in "abc")
OpenPlace = Callable[..., Place]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if REDIS is None:
        pytest.skip("redis-server is not installed")
    with running_redis(tmp_path) as redis:
        yield redis


@pytest.fixture(params=["process", "database", "redis"])
def open_place(request: pytest.FixtureRequest) -> OpenPlace:
    match request.param:
        case "process":
            return lambda seconds=60, most=MB, kind="kind": ProcessPlace(most, seconds)
        case "database":
            engine = request.getfixturevalue("engine")
            migrate(engine)
            return lambda seconds=60, most=MB, kind="kind": DatabasePlace(
                engine, kind, most, seconds
            )
        case _:
            socket = request.getfixturevalue("redis").socket
            return lambda seconds=60, most=MB, kind="kind": RedisPlace(
                f"unix://{socket}", kind, seconds
            )


def test_what_is_kept_is_found_until_it_is_cleared(open_place: OpenPlace):
    place = open_place()
    place.keep(A, b"first")
    place.keep(A, b"\x00second\xff")
    place.keep(B, b"")
    assert place.measure().values == 2
    assert place.find(A) == b"\x00second\xff"
    assert place.find(B) == b""
    assert place.find(C) is None
    place.clear()
    assert place.find(A) is None
    assert place.measure() == CacheSize(0, 0)


def test_a_kind_is_a_cache_of_its_own(open_place: OpenPlace):
    one, other = open_place(kind="one"), open_place(kind="other")
    one.keep(A, b"one")
    assert one.measure().values == 1
    assert other.find(A) is None
    other.clear()
    assert one.find(A) == b"one"


def test_a_value_is_forgotten_after_its_time(open_place: OpenPlace):
    place = open_place(seconds=2)
    place.keep(A, b"a")
    assert place.measure().values == 1
    assert place.find(A) == b"a"
    time.sleep(2.1)
    assert place.find(A) is None
    assert place.measure().values == 0


def test_a_value_larger_than_its_process_may_keep_is_not_kept():
    place = ProcessPlace(1000, 60)
    place.keep(A, b"a")
    place.keep(B, b"b" * 1000)
    assert place.find(B) is None
    assert place.find(A) == b"a"
    assert place.measure() == CacheSize(1, 401)


def test_another_process_finds_what_one_kept_in_the_database(engine: sa.Engine):
    migrate(engine)
    DatabasePlace(engine, "kind", MB, 60).keep(A, b"a")
    assert DatabasePlace(engine, "kind", MB, 60).find(A) == b"a"


def test_the_oldest_in_the_database_go_when_their_bytes_are_full(engine: sa.Engine):
    migrate(engine)
    place, other = DatabasePlace(engine, "kind", 2500, 60), DatabasePlace(engine, "other", MB, 1)
    other.keep(A, b"old")
    for key in (A, B, C):
        place.keep(key, b"x" * 1000)
        time.sleep(0.005)
    place.keep(make_key("large"), b"x" * 2501)
    time.sleep(1)
    place.tidy()
    assert place.find(A) is None
    assert place.find(B)
    assert place.find(C)
    assert place.measure() == CacheSize(2, 2000)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM kb_cache").scalar_one() == 2


def test_the_database_is_tidied_as_it_is_written(engine: sa.Engine):
    migrate(engine)
    place = DatabasePlace(engine, "kind", 10_000, 60)
    for number in range(120):
        place.keep(make_key(number), b"x" * 1000)
    assert place.measure().bytes <= 60_000


def test_a_redis_that_is_away_is_as_one_that_knows_nothing(redis: Redis, caplog):
    cache = Cache("results", RedisPlace(f"unix://{redis.socket}", "results", 60))
    cache.keep(A, b"a")
    assert cache.find(A) == b"a"
    redis.kill()
    with caplog.at_level(logging.WARNING):
        assert cache.find(A) is None
        cache.keep(A, b"a")
        assert cache.find(A) is None
    [record] = caplog.records  # it is left alone for a while
    assert "does not answer (ConnectionError)" in record.getMessage()
    assert "redis.sock" not in caplog.text


def test_an_address_that_is_none_is_refused_without_being_told():
    pytest.importorskip("redis", reason="pip install redis")
    with pytest.raises(ConfigError, match=r"caches\.redis_url is no address") as raised:
        RedisPlace("http://:secret@host", "results", 60)
    assert "secret" not in str(raised.value)


def test_keys_tell_types_and_parts_apart():
    keys = [("a", "b"), ("ab",), (1,), ("1",), (True,), (None,), (b"a",), ("a",), ([1], 2), (1, 2)]
    assert len({make_key(*parts) for parts in keys}) == len(keys)
