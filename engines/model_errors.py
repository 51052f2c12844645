"""Turns what model clients raise into ModelUnavailable, with the reason and the way out."""

import json
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import httpx

from stores.errors import KBError, ModelUnavailable

# Where an error arose says what it means: any error of these is about the model's answer;
_CLIENTS = ("openai.", "ollama.", "llama_index.core.llms.callbacks.")
# of these, only one about a part that the answer lacks: others may be about what was asked.
_ADAPTERS = ("llama_index.llms.", "llama_index.embeddings.")
_LACKING = (AttributeError, IndexError, KeyError, TypeError, json.JSONDecodeError)
_DECODERS = ("httpx.", "json.", "pydantic.")


@contextmanager
def model_errors(what: str) -> Iterator[None]:
    """Raise ModelUnavailable for a model that did not answer as it should while doing `what`.

    Works in a generator too, around its `yield`s. No message holds a key, a prompt, or words of
    the server, which may repeat either.
    """
    try:
        yield
    except KBError:
        raise
    except Exception as error:
        reason = _explain_error(error)
        if reason is None:
            raise
        raise ModelUnavailable(f"{what[:1].upper()}{what[1:]} failed: {reason}") from error


def _explain_error(error: Exception) -> str | None:
    """Explain an error of a model to a user; None for an error that is none of a model."""
    match _find_http_error(error):
        case httpx.HTTPStatusError() as status_error:
            return _explain_refusal(_AskedModel(status_error.request), status_error.response)
        case httpx.RequestError() as request_error:
            return _explain_disconnection(_AskedModel(request_error.request), request_error)
    return _explain_unreadable_answer(error)


def _find_http_error(error: BaseException | None) -> httpx.HTTPError | None:
    """Find the error of the connection below a client's own, unless it was told before."""
    while error is not None and not isinstance(error, KBError):
        if isinstance(error, httpx.HTTPError):
            return error
        error = error.__cause__ or error.__context__
    return None


class _AskedModel:
    """The model and the server that a request was for, as a user knows them."""

    def __init__(self, request: httpx.Request) -> None:
        url = request.url
        self.is_ollama = url.path.endswith(("/api/chat", "/api/embed", "/api/show"))
        self.is_embedding = url.path.endswith(("/embeddings", "/api/embed"))
        self.section = "embedding" if self.is_embedding else "llm"
        self.server = f"{url.scheme}://{url.netloc.decode()}"  # no user, no password
        self.path = url.path
        self.name = str(_read_object(request.content).get("model", ""))

    def __str__(self) -> str:
        kind = "embedding model" if self.is_embedding else "LLM"
        return f"the {kind} {self.name} at {self.server}"


def _explain_disconnection(model: _AskedModel, error: httpx.RequestError) -> str:
    start = "Start it with `ollama serve`" if model.is_ollama else "Start its server"
    match error:
        case httpx.ConnectError():
            return (
                f"{model} cannot be reached ({_find_system_reason(error)}). "
                f"{start}, or correct {model.section}.base_url in config.yaml."
            )
        case httpx.TimeoutException():
            return (
                f"{model} did not answer in time. Raise {model.section}.timeout in config.yaml, "
                "or choose a smaller model."
            )
    return (
        f"{model} broke off its answer ({type(error).__name__}). "
        "Ask again; if it happens again, its server's log says why."
    )


def _find_system_reason(error: BaseException) -> str:
    """Find the operating system's words in the chain of causes, such as "Connection refused"."""
    reason = "no connection"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:  # negative where a name has no address
            reason = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or reason
        cause = cause.__cause__ or cause.__context__
    return reason


def _explain_refusal(model: _AskedModel, response: httpx.Response) -> str:
    status = response.status_code
    match status:
        case 401 | 403:
            return _explain_refused_key(model, status)
        case 404:
            return _explain_not_found(model, response)
        case 429:
            return _explain_rate_limit(model, response)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return f"{model} failed (HTTP {status}). Try again later; its server's log says why."
    return (
        f"{model} refused the request (HTTP {status}{_read_error_code(response)}). If the text is "
        "too long for it, lower retrieval.top_k or llm.context_window; "
        f"else check {model.section}.model."
    )


def _explain_refused_key(model: _AskedModel, status: int) -> str:
    return (
        f"{model} refused the key (HTTP {status}). Correct {model.section}.api_key in config.yaml, "
        "or the environment variable it comes from (OPENAI_API_KEY by default)."
    )


def _explain_not_found(model: _AskedModel, response: httpx.Response) -> str:
    if "model" not in response.text:
        return (
            f"{model.server} has no {model.path} (HTTP 404). Correct {model.section}.base_url in "
            "config.yaml; for most servers it ends in /v1, for Ollama in nothing."
        )
    if model.is_ollama or "pull" in response.text:
        return (
            f"{model} is not there. Run `ollama pull {model.name}`, "
            f"or correct {model.section}.model in config.yaml."
        )
    return f"{model} is unknown there. Load it, or correct {model.section}.model in config.yaml."


def _explain_rate_limit(model: _AskedModel, response: httpx.Response) -> str:
    if _read_error_code(response).endswith("insufficient_quota"):
        return f"{model} says that the quota of this key is used up. Raise it at the provider."
    wait = response.headers.get("retry-after", "")
    pause = f"It asks to wait {wait} s" if wait.replace(".", "").isdecimal() else "Wait a minute"
    more = "" if model.is_ollama else f", or raise {model.section}.max_retries in config.yaml"
    return f"{model} limits the rate of requests. {pause}, then try again{more}."


def _read_error_code(response: httpx.Response) -> str:
    """Read the error code of an OpenAI answer, as in ", context_length_exceeded"."""
    error = _read_object(response.content).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return f", {code}" if isinstance(code, str) and code.isidentifier() else ""


def _read_object(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _explain_unreadable_answer(error: Exception) -> str | None:
    """Explain an error that arose in reading an answer; None for one that arose elsewhere."""
    modules = _list_modules(error.__traceback__)
    # Decoders act for their caller.
    reader = next((name for name in reversed(modules) if not name.startswith(_DECODERS)), "")
    if not reader.startswith(_CLIENTS) and not (
        reader.startswith(_ADAPTERS) and isinstance(error, _LACKING)
    ):
        return None
    section = "embedding" if any(".embeddings." in name for name in modules) else "llm"
    return (
        f"the server's answer is empty, broken or of another protocol ({type(error).__name__}). "
        f"Check {section}.base_url and {section}.model in config.yaml, and the server's log."
    )


def _list_modules(trace: TracebackType | None) -> list[str]:
    """List the modules from the caller to the place of an error, each with a final dot."""
    return [f"{frame.f_globals.get('__name__')}." for frame, _ in traceback.walk_tb(trace)]
