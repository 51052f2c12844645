"""The search profiles and language models that a request may name."""

from engines.search.profiles import READY
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.sections import Config


def list_profiles(config: Config) -> list[str]:
    """Return the names of the ready profiles, then of those of the configuration."""
    return list(dict.fromkeys((*READY, *config.profiles)))


def require_profile(config: Config, name: str | None) -> None:
    """Raises Problem 404 for a name that no profile has."""
    known = list_profiles(config)
    if name is not None and name not in known:
        raise Problem(Code.NO_SUCH_PROFILE, {"known": ", ".join(known)})


def require_model(config: Config, name: str | None) -> None:
    """Raises Problem 404 for a name that no model of llm.choices has."""
    known = config.llm.choices
    if name is None or name in known:
        return
    if not known:
        raise Problem(Code.NO_MODELS_TO_CHOOSE)
    raise Problem(Code.NO_SUCH_MODEL_CHOICE, {"known": ", ".join(known)})
