"""What the model clients raise -> ModelUnavailable, with the reason and the way out."""

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
        reason = _reason(error)
        if reason is None:
            raise
        raise ModelUnavailable(f"{what[:1].upper()}{what[1:]} failed: {reason}") from error


def _reason(error: Exception) -> str | None:
    match _http_error(error):
        case httpx.HTTPStatusError() as status_error:
            return _refused(_Asked(status_error.request), status_error.response)
        case httpx.RequestError() as request_error:
            return _disconnected(_Asked(request_error.request), request_error)
    return _unreadable(error)


def _http_error(error: BaseException | None) -> httpx.HTTPError | None:
    """The error of the connection below a client's own; one told before is not told again."""
    while error is not None and not isinstance(error, KBError):
        if isinstance(error, httpx.HTTPError):
            return error
        error = error.__cause__ or error.__context__
    return None


class _Asked:
    """Whom a request was for, as a user knows it."""

    def __init__(self, request: httpx.Request) -> None:
        url = request.url
        self.is_ollama = url.path.endswith(("/api/chat", "/api/embed", "/api/show"))
        self.is_embedding = url.path.endswith(("/embeddings", "/api/embed"))
        self.section = "embedding" if self.is_embedding else "llm"
        self.server = f"{url.scheme}://{url.netloc.decode()}"  # no user, no password
        self.path = url.path
        self.model = str(_object(request.content).get("model", ""))

    def __str__(self) -> str:
        kind = "embedding model" if self.is_embedding else "LLM"
        return f"the {kind} {self.model} at {self.server}"


def _disconnected(asked: _Asked, error: httpx.RequestError) -> str:
    start = "Start it with `ollama serve`" if asked.is_ollama else "Start its server"
    match error:
        case httpx.ConnectError():
            return (
                f"{asked} cannot be reached ({_system_reason(error)}). "
                f"{start}, or correct {asked.section}.base_url in config.yaml."
            )
        case httpx.TimeoutException():
            return (
                f"{asked} did not answer in time. Raise {asked.section}.timeout in config.yaml, "
                "or choose a smaller model."
            )
    return (
        f"{asked} broke off its answer ({type(error).__name__}). "
        "Ask again; if it happens again, its server's log says why."
    )


def _system_reason(error: BaseException) -> str:
    """The operating system's words, such as "Connection refused", from the depth of the chain."""
    reason = "no connection"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:  # negative where a name has no address
            reason = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or reason
        cause = cause.__cause__ or cause.__context__
    return reason


def _refused(asked: _Asked, response: httpx.Response) -> str:
    status = response.status_code
    match status:
        case 401 | 403:
            return _key_refused(asked, status)
        case 404:
            return _not_found(asked, response)
        case 429:
            return _limited(asked, response)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return f"{asked} failed (HTTP {status}). Try again later; its server's log says why."
    return (
        f"{asked} refused the request (HTTP {status}{_code(response)}). If the text is too long "
        "for it, lower retrieval.top_k or llm.context_window; "
        f"else check {asked.section}.model."
    )


def _key_refused(asked: _Asked, status: int) -> str:
    return (
        f"{asked} refused the key (HTTP {status}). Correct {asked.section}.api_key in config.yaml, "
        "or the environment variable it comes from (OPENAI_API_KEY by default)."
    )


def _not_found(asked: _Asked, response: httpx.Response) -> str:
    if "model" not in response.text:
        return (
            f"{asked.server} has no {asked.path} (HTTP 404). Correct {asked.section}.base_url in "
            "config.yaml; for most servers it ends in /v1, for Ollama in nothing."
        )
    if asked.is_ollama or "pull" in response.text:
        return (
            f"{asked} is not there. Run `ollama pull {asked.model}`, "
            f"or correct {asked.section}.model in config.yaml."
        )
    return f"{asked} is unknown there. Load it, or correct {asked.section}.model in config.yaml."


def _limited(asked: _Asked, response: httpx.Response) -> str:
    if _code(response).endswith("insufficient_quota"):
        return f"{asked} says that the quota of this key is used up. Raise it at the provider."
    wait = response.headers.get("retry-after", "")
    pause = f"It asks to wait {wait} s" if wait.replace(".", "").isdecimal() else "Wait a minute"
    more = "" if asked.is_ollama else f", or raise {asked.section}.max_retries in config.yaml"
    return f"{asked} limits the rate of requests. {pause}, then try again{more}."


def _code(response: httpx.Response) -> str:
    """The error code in an OpenAI answer, such as ", context_length_exceeded"."""
    error = _object(response.content).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return f", {code}" if isinstance(code, str) and code.isidentifier() else ""


def _object(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _unreadable(error: Exception) -> str | None:
    modules = _modules(error.__traceback__)
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


def _modules(trace: TracebackType | None) -> list[str]:
    """The modules between the caller and the place of an error, each with a final dot."""
    return [f"{frame.f_globals.get('__name__')}." for frame, _ in traceback.walk_tb(trace)]
