"""What is found below a directory, and what a user hears about the rest."""

import os
import socket
import sys
from pathlib import Path

import pytest

from kb.indexing.document import UnreadableFile
from kb.indexing.walk import FoundFile, PassedOver, Skipped, walk_files


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def found(root: Path) -> list[str]:
    return [entry.relative for entry in walk_files(root) if isinstance(entry, FoundFile)]


def kinds(root: Path) -> dict[str, str | None]:
    return {
        entry.relative: entry.kind for entry in walk_files(root) if isinstance(entry, PassedOver)
    }


def skipped(root: Path) -> dict[str, str]:
    return {
        entry.relative: entry.reason for entry in walk_files(root) if isinstance(entry, Skipped)
    }


def test_files_come_in_a_fixed_order_and_hidden_ones_do_not(tmp_path):
    plant(tmp_path, "b.md", "a/z.md", "a/b/c.md", "c.md", ".hidden", ".git/config", "a/.x/y.md")
    assert found(tmp_path) == ["a/b/c.md", "a/z.md", "b.md", "c.md"]
    assert skipped(tmp_path) == {}


def test_pictures_and_sounds_are_no_documents(tmp_path):
    for name in ("logo.png", "photo.JPG", "talk.mp3", "letter.woff2", "notes.md", "odd.bin"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "album.png").mkdir()
    (tmp_path / "album.png" / "caption.txt").write_text("x")
    plant(tmp_path, "module.ts")
    assert found(tmp_path) == ["album.png/caption.txt", "module.ts", "notes.md", "odd.bin"]
    assert kinds(tmp_path) == {
        "letter.woff2": "font",
        "logo.png": "picture",
        "photo.JPG": "picture",
        "talk.mp3": "sound",
    }


TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"


@pytest.mark.parametrize(
    "names",
    [
        ["node_modules/a/README.md"],
        ["__pycache__/a.txt"],
        ["kb.egg-info/a.txt"],
        ["env/pyvenv.cfg", "env/lib/a.txt"],
        ["out/CMakeCache.txt", "out/a.txt"],
        ["target/doc/a.md", "Cargo.toml"],
        ["dist/a.md", "package.json"],
        ["build/a.md", "build.gradle"],
    ],
)
def test_folders_that_tools_make_are_passed_over_unless_a_rule_wants_them(tmp_path, names):
    plant(tmp_path, "code/a.md", *(f"code/{name}" for name in names))
    folder = "code/" + names[0].split("/")[0]
    assert kinds(tmp_path) == {folder: "made by a tool"}
    assert not any(name.startswith(f"{folder}/") for name in found(tmp_path))
    (tmp_path / ".kbignore").write_text(f"!{folder}/\n")
    assert kinds(tmp_path) == {}
    assert f"code/{names[0]}" in found(tmp_path)
    (tmp_path / ".kbignore").unlink()
    assert found(tmp_path / folder)  # as the root it is what the user asked for


def test_folders_of_the_same_names_that_no_tool_makes_are_looked_at(tmp_path):
    plant(tmp_path, "target/goals.md", "dist/list.md", "build/house.md", "cache/CACHEDIR.TAG")
    assert len(found(tmp_path)) == 4
    (tmp_path / "cache" / "CACHEDIR.TAG").write_text(TAG)
    assert kinds(tmp_path) == {"cache": "made by a tool"}


def test_a_found_file_has_its_place_name_and_size(tmp_path):
    plant(tmp_path, "a/b.md")
    assert list(walk_files(tmp_path)) == [FoundFile(tmp_path / "a/b.md", "a/b.md", 4)]


def test_a_file_as_root_is_found_below_its_parent(tmp_path):
    plant(tmp_path, ".a.md", "b.md")
    (tmp_path / ".kbignore").write_text("*")
    assert list(walk_files(tmp_path / ".a.md")) == [FoundFile(tmp_path / ".a.md", ".a.md", 4)]


def test_a_root_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(UnreadableFile, match="does not exist"):
        list(walk_files(tmp_path / "nothing"))
    (tmp_path / ".kbignore").write_text("!")
    with pytest.raises(UnreadableFile, match="kbignore is invalid"):
        list(walk_files(tmp_path))


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({".kbignore": "*.log"}, ["keep/a.md", "keep/sub/a.md", "out/a.md", "top.md"]),
        (
            {".kbignore": "# comment\n\nout/\n!keep.log\n"},
            ["keep/a.log", "keep/a.md", "keep/sub/a.log", "keep/sub/a.md", "top.log", "top.md"],
        ),
        ({".kbignore": "/a.md\n*.log\nsub"}, ["keep/a.md", "out/a.md", "top.md"]),
        (
            {".kbignore": "*.log\n", "keep/.kbignore": "!a.log\n/a.md\n"},
            ["keep/a.log", "keep/sub/a.log", "keep/sub/a.md", "out/a.md", "top.md"],
        ),
        ({".kbignore": "*\n!*/\n!top.md\n"}, ["top.md"]),
        (
            {"keep/.kbignore": "\ufeffsub/\r\n*.log"},
            ["keep/a.md", "out/a.log", "out/a.md", "top.log", "top.md"],
        ),
    ],
)
def test_ignore_rules_are_those_of_git(tmp_path, rules, kept):
    for directory in ("", "keep/", "keep/sub/", "out/"):
        name = "a" if directory else "top"
        plant(tmp_path, f"{directory}{name}.md", f"{directory}{name}.log")
    for name, lines in rules.items():
        (tmp_path / name).write_text(lines, encoding="utf-8")
    assert found(tmp_path) == kept


def test_an_invalid_rule_skips_its_directory_rather_than_index_what_it_meant(tmp_path):
    plant(tmp_path, "a/secret.md", "b.md")
    (tmp_path / "a/.kbignore").write_text("secret.md\n!\n")
    assert found(tmp_path) == ["b.md"]
    assert "kbignore is invalid" in skipped(tmp_path)["a"]


def test_links_never_lead_out_and_never_double(tmp_path):
    root = tmp_path / "root"
    plant(tmp_path, "outside/secret.md", "root/real/a.md")
    for name, target in {
        "file": "real/a.md",
        "directory": "real",
        "up": "..",
        "escape.md": "../outside/secret.md",
        "chain.md": "escape.md",
        "dangling.md": "nowhere.md",
        "loop": "loop",
        "self": ".",
        "absolute": "/etc/hosts",
        "environ.txt": "/proc/self/environ",
        "input.txt": "/dev/stdin",
    }.items():
        (root / name).symlink_to(target)
    assert found(root) == ["real/a.md"]
    reasons = skipped(root)
    out = ["absolute", "chain.md", "environ.txt", "escape.md", "input.txt", "up"]
    assert sorted(reasons) == sorted([*out, "dangling.md", "loop"])
    assert {reasons[name] for name in out} == {
        "it is a link that leads out of the indexed directory"
    }
    assert reasons["dangling.md"] == "it is a link to nothing"
    assert "loop" in reasons["loop"]


def test_a_root_behind_a_link_is_walked(tmp_path):
    plant(tmp_path, "real/a.md")
    (tmp_path / "link").symlink_to("real")
    assert list(walk_files(tmp_path / "link")) == [FoundFile(tmp_path / "real/a.md", "a.md", 4)]


def test_pipes_and_sockets_are_reported_and_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.md")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.md")
        os.mkfifo(".kbignore")
        assert skipped(tmp_path) == dict.fromkeys(
            ["pipe.md", "socket.md"], "it is not a regular file"
        )


def test_odd_names_are_found_under_names_that_can_be_stored(tmp_path):
    for name in ("🦭 seal.md", "new\nline.md", "e\u0301te\u0301.md"):
        plant(tmp_path, name)
    raw = os.path.join(os.fsencode(tmp_path), b"caf\xe9.md")  # noqa: PTH118 - bytes
    with open(raw, "w") as file:  # noqa: PTH123 - bytes
        file.write("text")
    entries = [entry for entry in walk_files(tmp_path) if isinstance(entry, FoundFile)]
    assert [entry.relative for entry in entries] == [
        *("caf\\xe9.md", "new\nline.md", "\xe9t\xe9.md", "🦭 seal.md")
    ]
    assert all(entry.path.read_text() == "text" for entry in entries)


def test_two_names_that_are_one_in_unicode_are_reported(tmp_path):
    plant(tmp_path, "\xe9t\xe9.md", "e\u0301te\u0301.md")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system makes them one")
    assert found(tmp_path) == ["\xe9t\xe9.md"]
    assert "same name" in skipped(tmp_path)["\xe9t\xe9.md"]


def test_a_directory_deeper_than_the_recursion_limit_is_walked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plant(tmp_path, "top.md")
    depth = sys.getrecursionlimit() + 100
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("deep.md").write_text("text")
    try:
        assert found(tmp_path) == ["d/" * depth + "deep.md", "top.md"]
    finally:  # pytest itself could not remove it
        Path("deep.md").unlink()
        os.chdir(tmp_path)
        os.removedirs("d/" * depth)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_directory_is_reported(tmp_path):
    plant(tmp_path, "locked/a.md", "b.md")
    (tmp_path / "locked").chmod(0)
    try:
        assert found(tmp_path) == ["b.md"]
        assert "unreadable" in skipped(tmp_path)["locked"]
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_a_directory_that_vanishes_meanwhile_is_reported(tmp_path):
    plant(tmp_path, "a.md", "later/b.md")
    entries = walk_files(tmp_path)
    assert next(entries).relative == "a.md"
    (tmp_path / "later/b.md").unlink()
    (tmp_path / "later").rmdir()
    assert "unreadable: No such file" in next(entries).reason
