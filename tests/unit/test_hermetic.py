"""The walls around the tests stand."""

import os
import socket

import pytest
from network_guard import left_loopback


@pytest.mark.parametrize("address", ["198.51.100.1", "somewhere.example"])
def test_the_network_is_out_of_reach_and_the_attempt_is_noted(address):
    with pytest.raises(PermissionError, match="reaches for the network"):
        socket.create_connection((address, 80), timeout=1)
    assert any(address in attempt for attempt in left_loopback)
    left_loopback.clear()


def test_a_datagram_does_not_get_out_either():
    with socket.socket(type=socket.SOCK_DGRAM) as sender, pytest.raises(PermissionError):
        sender.sendto(b"", ("198.51.100.1", 53))
    left_loopback.clear()


def test_this_machine_can_be_reached():
    with socket.create_server(("localhost", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_no_key_or_setting_of_the_developer_is_seen(tmp_path):
    seen = {name for name in os.environ if name.startswith(("KB_", "DB_", "OPENAI_"))}
    assert seen <= {"KB_HOME", "KB_CACHE", "KB_MARIADBD", "KB_LANGUAGE"}
    assert os.environ["KB_HOME"].startswith(str(tmp_path))
