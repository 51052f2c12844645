"""Many more texts than a test run has time for, none of which may act in a reader of Markdown.

`make fuzz FUZZ_SECONDS=600 FUZZ_SEED=1` runs it besides the statements.
"""

import os
import random
import time

import pytest
import test_inert_markdown as answers
from hypothesis import given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS", "120"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
_BY_STEPS = answers.test_nothing_acts_however_a_text_comes_and_is_cut.hypothesis.inner_test


@pytest.mark.timeout(SECONDS + 300)
def test_no_text_acts_however_it_comes_and_is_cut():
    print(f"\nFUZZ_SEED={SEED}")
    end, tried = time.monotonic() + SECONDS / 2, 0

    @seed(SEED)
    @settings(max_examples=1000, deadline=None, database=None)
    @given(answers.TEXTS, st.integers(1, 9))
    def search(text, step):
        nonlocal tried
        tried += 1
        _BY_STEPS(text, step)

    for number in range(10**6):
        if time.monotonic() > end:
            break
        seed(SEED + number)(search)()
    print({"texts": tried})
    assert tried > SECONDS, "too few texts for a verdict"
