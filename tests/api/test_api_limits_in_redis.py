"""Limits that several servers count together, in a real Redis."""

from collections.abc import Iterator

import httpx
import pytest
from api_server import configured, database_of, running
from model_server import FakeModels
from redis_server import REDIS, Redis, running_redis

from stores.api_keys import ApiKeys

pytestmark = pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")


@pytest.fixture
def redis(tmp_path) -> Iterator[Redis]:
    with running_redis(tmp_path) as redis:
        yield redis


@pytest.fixture
def servers(server, redis, tmp_path) -> Iterator[list[httpx.Client]]:
    """Two servers of one knowledge base, called with one key."""
    with FakeModels() as models, database_of(server) as url:
        limited = {
            "uploads": tmp_path / "uploads",
            "redis_url": f"redis+unix://{tmp_path}/redis.sock",
        }
        config = configured(url, tmp_path, models, None, serve=limited)
        with running(config) as one, running(config) as other:
            secret = ApiKeys(one.kb.components.engine).create("ana", "read", requests_per_minute=5)
            for each in (one, other):
                each.client.headers["Authorization"] = f"Bearer {secret}"
            yield [one.client, other.client]


def test_servers_count_the_requests_of_a_key_together_and_none_without_redis(servers, redis):
    replies = [servers[number % 2].get("/api/status") for number in range(7)]
    assert [reply.status_code for reply in replies] == [200] * 5 + [429] * 2
    assert 0 < int(replies[-1].headers["retry-after"]) <= 60
    redis.kill()
    for client in servers:
        reply = client.get("/api/status")
        assert reply.status_code == 503
        assert reply.json()["title"] == "The limits cannot be counted"
        assert "redis.sock" not in reply.text
