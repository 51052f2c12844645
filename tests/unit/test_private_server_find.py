"""Finding an installed server: the programs here are scripts that print a version."""

from pathlib import Path

import pytest

from stores.errors import UnsupportedServer
from stores.private_server.find_binary import find_program

NEW = "mariadbd  Ver 11.8.3-MariaDB-log for debian-linux-gnu on x86_64 (Debian)"
NEWER = "mariadbd  Ver 12.1.2-MariaDB for osx10.20 on arm64 (Homebrew)"
OLD = "mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"
MYSQL = "/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"


def program(base: Path, version: str, *, share: str | None = "share/mariadb") -> Path:
    path = base / "bin" / "mariadbd"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    if share:
        (base / share).mkdir(parents=True)
        (base / share / "mariadb_system_tables.sql").touch()
    return path


@pytest.fixture(autouse=True)
def _empty_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.mark.parametrize(("words", "version"), [(NEW, "11.8.3"), (NEWER, "12.1.2")])
def test_a_new_enough_server_is_found_with_its_version(tmp_path, words, version):
    path = program(tmp_path, words)
    found = find_program(None, [str(path.parent)])
    assert found is not None
    assert (found.path, found.version) == (path, version)


def test_the_search_path_comes_before_the_usual_places(tmp_path, monkeypatch):
    first, second = program(tmp_path / "a", NEW), program(tmp_path / "b", NEWER)
    monkeypatch.setenv("PATH", str(first.parent))
    found = find_program(None, [str(second.parent)])
    assert found is not None
    assert found.path == first


@pytest.mark.parametrize("words", [OLD, MYSQL, "Illegal instruction"])
def test_an_unusable_server_is_passed_over_for_a_later_one(tmp_path, words):
    unusable, usable = program(tmp_path / "a", words), program(tmp_path / "b", NEW)
    found = find_program(None, [str(unusable.parent), str(usable.parent)])
    assert found is not None
    assert found.path == usable


def test_nothing_is_found_where_there_is_nothing(tmp_path):
    assert find_program(None, [str(tmp_path)]) is None


def test_an_explicit_server_comes_before_all_others(tmp_path, monkeypatch):
    explicit, other = program(tmp_path / "a", NEW), program(tmp_path / "b", NEWER)
    monkeypatch.setenv("PATH", str(other.parent))
    found = find_program(str(explicit))
    assert found is not None
    assert found.path == explicit


def test_an_explicit_server_that_is_too_old_is_refused_with_its_version(tmp_path):
    path = program(tmp_path, OLD)
    with pytest.raises(UnsupportedServer, match=r"MariaDB 10\.11\.6; kb needs 11\.8") as refusal:
        find_program(str(path))
    assert str(path) in str(refusal.value)


def test_an_explicit_server_that_is_missing_is_refused_with_the_ways_out(tmp_path):
    with pytest.raises(UnsupportedServer, match="is not there") as refusal:
        find_program(str(tmp_path / "mariadbd"))
    for way in ("install MariaDB", "KB_MARIADBD", "database.url"):
        assert way in str(refusal.value)


def test_an_explicit_server_of_another_kind_is_refused_with_what_it_says(tmp_path):
    with pytest.raises(UnsupportedServer, match="MySQL Community Server"):
        find_program(str(program(tmp_path, MYSQL)))


def test_a_server_without_its_system_tables_is_refused(tmp_path):
    with pytest.raises(UnsupportedServer, match="no system tables"):
        find_program(str(program(tmp_path, NEW, share=None)))


@pytest.mark.parametrize("share", ["share/mariadb", "share/mysql", "share"])
def test_the_system_tables_are_found_where_each_system_keeps_them(tmp_path, share):
    found = find_program(str(program(tmp_path, NEW, share=share)))
    assert found is not None
    assert found.share == tmp_path / share


def test_a_link_leads_to_the_files_beside_the_real_program(tmp_path):
    path = program(tmp_path / "Cellar/mariadb/12.1.2", NEWER)
    link = tmp_path / "bin" / "mariadbd"
    link.parent.mkdir()
    link.symlink_to(path)
    found = find_program(str(link))
    assert found is not None
    assert found.base == tmp_path / "Cellar/mariadb/12.1.2"


def test_the_machines_own_option_files_are_never_read(tmp_path):
    found = find_program(str(program(tmp_path, NEW)))
    assert found is not None
    assert found.make_command("--bootstrap")[1] == "--no-defaults"
