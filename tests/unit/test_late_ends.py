"""The ends of turns that wait until the store answers again."""

import logging

import pytest

from engines.chat.turn import LateEnds
from stores.errors import StoreError, StoreUnavailable


def fail_with(error: Exception):
    def end():
        raise error

    return end


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StoreError("The session is gone."), "lost: The session is gone."),
        (TypeError("secret-canary"), "lost: TypeError"),
        (IndexError("secret-canary"), "lost: IndexError"),
    ],
)
def test_an_end_that_can_never_be_stored_does_not_keep_the_others_waiting(error, told, caplog):
    stored = []
    ends = LateEnds()
    ends.add(fail_with(error))
    ends.add(lambda: stored.append("second"))
    with caplog.at_level(logging.WARNING):
        ends.store_all()
    ends.store_all()
    assert stored == ["second"]
    assert [told in record.getMessage() for record in caplog.records] == [True]


def test_an_end_waits_while_the_store_does_not_answer():
    stored = []
    answers = iter([StoreUnavailable("Away."), None])

    def end():
        if error := next(answers):
            raise error
        stored.append("end")

    ends = LateEnds()
    ends.add(end)
    with pytest.raises(StoreUnavailable):
        ends.store_all()
    ends.store_all()
    ends.store_all()
    assert stored == ["end"]
