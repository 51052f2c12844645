import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from engines.search.profiles import READY, Boost, Profile, Recency, resolve_profile
from kb.config.asking import RetrievalConfig
from kb.config.loading import load_config
from kb.config.sections import Config
from stores.chunks.fusion import Strategy
from stores.errors import ConfigError

NAMES = (
    *("default", "technical-docs", "faq", "ecommerce", "legal", "logs"),
    *("precision", "semantic", "balanced-rrf"),
)


def config_of(text: str) -> Config:
    path = Path("config.yaml")
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def message_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config_of(text)
    return str(caught.value)


@pytest.fixture(autouse=True)
def own_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


# --- the ready ones -------------------------------------------------------------------------


def test_the_ready_profiles_are_these_and_each_says_when_to_use_it():
    assert tuple(READY) == NAMES
    assert len({profile.description for profile in READY.values()} - {""}) == len(NAMES)


def test_each_ready_profile_searches_in_its_own_way():
    ways = {profile.model_copy(update={"description": ""}) for profile in READY.values()}
    assert len(ways) == len(NAMES)


def test_the_default_profile_is_what_a_profile_is_by_default():
    assert READY["default"].model_copy(update={"description": ""}) == Profile()


def test_every_strategy_makes_a_profile_and_no_other_does():
    for strategy in get_args(Strategy):
        assert Profile(strategy=strategy).strategy == strategy
    with pytest.raises(ValidationError):
        Profile.model_validate({"strategy": "fastest"})


@pytest.mark.parametrize(
    "fields",
    [
        *({"vector_weight": 1.1}, {"candidates": 0}, {"minimum_score": -0.1}, {"neighbours": 9}),
        *({"per_document": 0}, {"diversity": 2}, {"rrf_k": 0}, {"both_boost": -1}, {"other": 1}),
        {"recency": {"half_life_days": 0}},
        {"boosts": [{"key": "a", "value": "b", "factor": float("inf")}]},
        {"boosts": [{"key": "a", "value": "b", "factor": 1e200}]},
    ],
)
def test_values_outside_their_range_are_refused(fields):
    with pytest.raises(ValidationError):
        Profile.model_validate(fields)


# --- one's own ------------------------------------------------------------------------------


def test_a_name_without_an_own_profile_is_the_ready_one():
    assert Config().profile("legal") is READY["legal"]


def test_a_ready_profile_is_changed_field_by_field():
    legal = config_of("profiles: {legal: {neighbours: 1}}").profile("legal")
    assert legal == READY["legal"].model_copy(update={"neighbours": 1})


def test_a_part_of_a_profile_is_changed_field_by_field_too():
    logs = config_of("profiles: {logs: {recency: {half_life_days: 7}}}").profile("logs")
    assert logs.recency == Recency(key="modified", half_life_days=7, weight=0.2)


def test_null_takes_away_what_a_ready_profile_has():
    assert config_of("profiles: {logs: {recency: null}}").profile("logs").recency is None


def test_a_new_profile_starts_from_the_default_as_it_was_changed():
    config = config_of("profiles: {default: {candidates: 80}, handbook: {neighbours: 1}}")
    assert config.profile("handbook") == Profile(candidates=80, neighbours=1)
    assert config.profile("legal") == READY["legal"]


def test_an_own_profile_may_be_the_one_that_searches_use():
    config = config_of("retrieval: {profile: handbook}\nprofiles: {handbook: {strategy: rrf}}")
    assert config.profile(config.retrieval.profile).strategy == "rrf"


def test_dates_of_yaml_are_boosted_by_their_text():
    config = config_of(
        "profiles: {x: {boosts: [{key: date, value: 2026-05-01, factor: 2},"
        " {key: stock, value: true, factor: 2}, {key: year, value: 2026, factor: 2}]}}"
    )
    values = [boost.value for boost in config.profile("x").boosts]
    assert values == ["2026-05-01", True, 2026]
    assert values[1] is True
    assert Boost(key="k", value="v", factor=2).value == "v"


# --- what is refused ------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_those_there_are():
    config = config_of("profiles: {handbook: {}}")
    with pytest.raises(ConfigError, match=r"no search profile 'handbok'; did you mean handbook\?"):
        config.profile("handbok")
    with pytest.raises(ConfigError) as caught:
        resolve_profile("zzz", {})
    assert [name for name in NAMES if name not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("retrieval: {profile: faqq}", ["config.yaml", "retrieval.profile", "did you mean faq?"]),
        (
            "retrieval: {experiment: {default: 1, leagl: 1}}",
            ["retrieval.experiment.leagl", "did you mean legal?"],
        ),
        ("retrieval: {experiment: {default: 0}}", ["experiment.default is 0", "greater than 0"]),
        ("retrieval: {experiment: legal}", ["experiment is 'legal'", "a section"]),
        ("retrieval: {log: all}", ["retrieval.log is 'all'", "'no-text'"]),
        ("profiles: {x: {startegy: rrf}}", ["did you mean profiles.x.strategy?"]),
        ("profiles: {x: {strategy: rff}}", ["profiles.x.strategy is 'rff'", "'intersection'"]),
        ("profiles: {x: 3}", ["profiles.x is 3", "a section with keys of its own"]),
        ("profiles: [x]", ["profiles is a list", "a section with keys of its own"]),
        ("profiles: {x: {diversity: 2}}", ["diversity is 2", "not greater than 1"]),
        ("profiles: {x: {deduplicate: 7}}", ["deduplicate is 7", "true or false"]),
        ("profiles: {recency: {weight: 1}}", ["did you mean profiles.recency.vector_weight?"]),
        ("profiles: {x: {recency: {wieght: 1}}}", ["did you mean profiles.x.recency.weight?"]),
        ("profiles: {x: {boosts: [{kye: a}]}}", ["boosts.0.key is missing", "boosts.0.key?"]),
        (
            "profiles: {x: {boosts: [{key: a, value: [b], factor: 2}]}}",
            ["boosts.0.value is a list; expected text, a number, true or false."],
        ),
    ],
)
def test_a_wrong_profile_is_named_with_what_is_expected(text, parts):
    message = message_of(text)
    assert [part for part in parts if part not in message] == []
    assert "pydantic" not in message


# --- use ------------------------------------------------------------------------------------


def test_searches_are_logged_without_their_text_unless_the_file_says_otherwise():
    assert RetrievalConfig().log == "no-text"
    assert config_of("retrieval: {log: off}").retrieval.log == "off"
    assert config_of("retrieval: {log: full}").retrieval.log == "full"


def test_an_experiment_names_profiles_with_their_shares():
    config = config_of(
        "retrieval: {experiment: {default: 3, mine: 1}}\nprofiles: {mine: {vector_weight: 0.5}}"
    )
    assert config.retrieval.experiment == {"default": 3, "mine": 1}


def test_reading_profiles_loads_no_llama_index():
    program = (
        "import sys, kb.config\n"
        "print(*[m for m in sys.modules if m.startswith(('llama_index', 'numpy'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
