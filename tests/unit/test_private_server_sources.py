"""Which of a machine's apt sources are Debian's own, and what becomes of them."""

import pytest

from stores.private_server.package_sources import parse_deb822, parse_list, rewrite_sources

BOOKWORM = """\
Types: deb
# http://snapshot.mirror.example/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
IN_TRIXIE = """\
Types: deb
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Targets: Packages
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
Targets: Packages
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """\
# deb cdrom:[Debian GNU/Linux 12.4.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main
deb cdrom:[Debian GNU/Linux 12.4.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main

deb http://mirror.example/debian/ bookworm main non-free-firmware  # installed by hand
deb-src http://mirror.example/debian/ bookworm main non-free-firmware
deb http://security.debian.example/ bookworm-security main
deb http://mirror.example/debian/ bookworm-updates main
deb http://mirror.example/debian/ bookworm-backports main
"""
OTHERS = """\
deb [arch=amd64] https://dl.cloud.example/linux/chrome/deb/ stable main
deb [signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm stable
deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/debian/12/prod bookworm main
deb [signed-by=/etc/apt/keyrings/grafana.gpg] https://apt.grafana.example stable main
deb https://packages.cloud.example/apt cloud-sdk-bookworm main
deb https://node.example/node_20.x nodistro main
deb http://postgres.example/pub/repos/apt bookworm-pgdg main
deb https://flat.example/debian ./
"""
UBUNTU = """\
Types: deb
URIs: http://archive.mirror.example/ubuntu/
Suites: noble noble-updates noble-backports
Components: main universe restricted multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
"""
INLINE_KEY = """\
Types: deb
URIs: https://repository.vendor.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----
"""


def suites(text: str) -> list[str]:
    return [line.partition(": ")[2] for line in text.splitlines() if line.startswith("Suites")]


def test_the_debian_sources_of_bookworm_become_those_of_trixie():
    assert rewrite_sources(parse_deb822(BOOKWORM)) == IN_TRIXIE


def test_the_sources_of_trixie_stay_as_they_are():
    assert rewrite_sources(parse_deb822(IN_TRIXIE)) == IN_TRIXIE


def test_the_one_line_format_gives_the_same_archive_without_discs_and_backports():
    text = rewrite_sources(parse_list(ONE_LINE))
    assert suites(text) == ["trixie", "trixie-security", "trixie-updates"]
    assert "cdrom" not in text
    assert text.count("Components: main\n") == 3


def test_options_of_the_one_line_format_keep_the_key_and_the_processors():
    line = (
        "deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg lang=fr] "
        "http://mirror.example/debian bookworm main"
    )
    text = rewrite_sources(parse_list(line))
    assert "Architectures: amd64 arm64\n" in text
    assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n" in text
    assert "lang" not in text.lower()


def test_sources_of_others_are_left_out():
    assert rewrite_sources(parse_list(OTHERS)) == ""
    mixed = [*parse_list(OTHERS), *parse_deb822(BOOKWORM), *parse_deb822(INLINE_KEY)]
    assert rewrite_sources(mixed) == IN_TRIXIE


def test_ubuntu_has_no_rewrite_sources():
    assert rewrite_sources(parse_deb822(UBUNTU)) == ""


def test_a_disabled_source_is_left_out():
    assert rewrite_sources(parse_deb822("Enabled: no\n" + BOOKWORM.partition("\n\n")[0])) == ""


def test_security_updates_alone_are_no_archive():
    assert rewrite_sources(parse_deb822(BOOKWORM.partition("\n\n")[2])) == ""


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        ("bullseye", ["trixie"]),
        ("oldstable", ["trixie"]),
        ("stable stable-updates", ["trixie trixie-updates"]),
        ("sid", ["trixie"]),
        ("testing testing-security", ["trixie trixie-security"]),
        ("bookworm bookworm-backports bookworm-proposed-updates", ["trixie"]),
        ("buster buster/updates", ["trixie trixie-security"]),
        ("bookworm stable", ["trixie"]),
    ],
)
def test_each_name_of_a_debian_suite_is_known(suite, expected):
    text = (
        f"Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: {suite}\nComponents: main"
    )
    assert suites(rewrite_sources(parse_deb822(text))) == expected


def test_a_list_of_mirrors_and_a_caching_proxy_are_rewrite_sourcess():
    lines = (
        "deb mirror+file:///etc/apt/mirrors/debian.list bookworm main\n"
        "deb http://cache.example:3142/deb.debian.example/debian bookworm main\n"
    )
    assert suites(rewrite_sources(parse_list(lines))) == ["trixie", "trixie"]


def test_field_names_in_any_case_and_values_over_several_lines_are_read():
    text = (
        "types: deb\nURIS: http://mirror.example/debian\n"
        "suites:\n bookworm\n bookworm-updates\ncomponents: main contrib\n"
    )
    assert suites(rewrite_sources(parse_deb822(text))) == ["trixie trixie-updates"]
