"""Tests of the sizes that a private server takes of its machine."""

from pathlib import Path

import pytest

from stores.private_server import sizes
from stores.private_server.sizes import ServerSizes, choose_sizes

GIGABYTE = 2**30


def choose_for(
    monkeypatch: pytest.MonkeyPatch, memory: int, free: int, **given: int
) -> ServerSizes:
    monkeypatch.setattr(sizes, "_read_memory", lambda: memory)
    monkeypatch.setattr(sizes.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    return choose_sizes(Path(), given.get("pool"), given.get("cache"))


@pytest.mark.parametrize(
    ("gigabytes", "expected"),
    [
        (1, ServerSizes(256, 256, 128)),
        (8, ServerSizes(1024, 512, 512)),
        (1024, ServerSizes(4096, 4096, 1024)),
    ],
)
def test_sizes_follow_the_memory(monkeypatch, gigabytes, expected):
    assert choose_for(monkeypatch, gigabytes * GIGABYTE, 1000 * GIGABYTE) == expected


def test_what_is_configured_stands_and_the_log_follows_it(monkeypatch):
    found = choose_for(monkeypatch, 8 * GIGABYTE, 1000 * GIGABYTE, pool=3000, cache=300)
    assert found == ServerSizes(3000, 300, 1024)


def test_a_full_disk_keeps_the_log_small(monkeypatch):
    assert choose_for(monkeypatch, 64 * GIGABYTE, 4 * GIGABYTE).log == 204
    assert choose_for(monkeypatch, 64 * GIGABYTE, 0).log == 96


def test_a_container_has_the_memory_that_it_is_given(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(sizes, "_CONTAINER", limit)
    machine = sizes._read_memory()
    limit.write_text("max\n")
    assert sizes._read_memory() == machine
    limit.write_text("104857600\n")
    assert sizes._read_memory() == 104857600
