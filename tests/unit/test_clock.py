"""Each part of a file has its time, and all of them together no more than some turns of it."""

import signal
import time

import pytest

from kb.indexing.clock import MOST_TURNS, ReadingClock


@pytest.fixture
def alarms(monkeypatch):
    """What was set as the seconds until the alarm; the time stands still unless it is moved."""
    found: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda _, seconds: found.append(round(seconds, 3)))
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    return found


def test_each_part_has_as_much_time_again_within_that_of_all(alarms, monkeypatch):
    clock = ReadingClock()
    clock.start(30)
    clock.begin_part()
    monkeypatch.setattr(time, "monotonic", lambda: 100.0 + 30 * MOST_TURNS - 7)
    clock.begin_part()
    monkeypatch.setattr(time, "monotonic", lambda: 100.0 + 30 * MOST_TURNS + 7)
    clock.begin_part()
    clock.stop()
    assert alarms == [30, 30, 7, 0.001, 0]


def test_a_clock_that_nobody_started_sets_no_alarm(alarms):
    clock = ReadingClock()
    clock.begin_part()
    clock.start(30)
    clock.stop()
    clock.begin_part()
    assert alarms == [30, 0]
