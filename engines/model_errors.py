"""Turns what model clients raise into ModelUnavailable, with the reason and the way out."""

import json
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import httpx

from stores.errors import KBError, ModelUnavailable

_Section: TypeAlias = Literal["llm", "embedding", "reranker"]
_Trouble: TypeAlias = Literal["keyless", "timeout", "connection", "broken"]
_KINDS: Final[Mapping[_Section, str]] = {
    "llm": "LLM",
    "embedding": "embedding model",
    "reranker": "reranker",
}
_RERANKER: Final = "engines.search.rerank_server."
# Where an error arose says what it means: any error of these is about the model's answer;
_CLIENTS = (
    "openai.",
    "ollama.",
    "anthropic.",
    "mistralai.",
    "google.genai.",
    "cohere.",
    "voyageai.",
    "botocore.",
    _RERANKER,
    "llama_index.core.llms.callbacks.",
    "llama_index.llms.google_genai.utils.",
)
# of these, only one about a part that the answer lacks: others may be about what was asked.
_ADAPTERS = ("llama_index.llms.", "llama_index.embeddings.")
_LACKING = (AttributeError, IndexError, KeyError, TypeError, json.JSONDecodeError)
_CONNECTING = (
    "httpx",
    "requests.",
    "aiohttp.",
    "urllib3.",
    "voyageai.error",
    "botocore.exceptions",
)
_BROKEN = {"RequestError", "RequestException", "ClientError", "ProtocolError"}
# Exceptions within a stream of AWS whose meaning is that of a status.
_STREAM_STATUSES: Final[Mapping[str, int]] = {
    "throttlingException": httpx.codes.TOO_MANY_REQUESTS,
    "validationException": httpx.codes.BAD_REQUEST,
}
_DECODERS = ("httpx.", "httpx2.", "json.", "pydantic.", "jiter.")


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
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [f"{frame.f_globals.get('__name__')}." for frame in frames]
    causes = list(_list_causes(error))
    model = _AskedModel(next(filter(None, map(_find_request, causes)), None), modules)
    # A response says the most; a client's own error above it may have only its number.
    for cause in sorted(causes, key=lambda one: _find_response(one) is None):
        if refusal := _read_refusal(cause):
            return _explain_refusal(model, refusal)
        if trouble := _name_trouble(cause):
            return _explain_trouble(model, cause, trouble)
    return _explain_unreadable_answer(error, modules)


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those below it, a client's own first, unless they were told before."""
    while error is not None and not isinstance(error, KBError):
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True)
class _Refusal:
    """An answer of a server that says no, as its client tells it."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def data(self) -> dict[str, Any]:
        return _read_object(self.content)


def _find_request(error: BaseException) -> Any:
    """Find the request that an error is about, where its client tells it."""
    response = _find_response(error)
    return getattr(response, "request", None) or getattr(error, "_request", None)


def _find_response(error: BaseException) -> Any:
    return getattr(error, "raw_response", None) or getattr(error, "response", None)


def _read_refusal(error: BaseException) -> _Refusal | None:
    """Read the answer that an error is about: each client gives it in a way of its own."""
    match _find_response(error):
        case Mapping() as answer:  # of AWS
            about = answer.get("ResponseMetadata", {})
            status, headers = _read_aws_status(error, answer), about.get("HTTPHeaders", {})
            body = json.dumps(answer.get("Error"), default=str)
        case None:  # of Cohere, and of Voyage
            status = getattr(error, "status_code", getattr(error, "http_status", None))
            headers = getattr(error, "headers", None) or {}
            body = str(getattr(error, "body", getattr(error, "http_body", "")))
        case response:  # of httpx, or of its shape
            status, headers = getattr(response, "status_code", None), response.headers
            body = _read_body(response)
    if not isinstance(status, int) or status < httpx.codes.BAD_REQUEST:
        return None
    return _Refusal(status, {name.lower(): text for name, text in headers.items()}, body.encode())


def _read_aws_status(error: BaseException, answer: Mapping[str, Any]) -> int | None:
    """Read the status of an answer of AWS, or of an exception within its stream, by its name."""
    if type(error).__name__ == "EventStreamError":  # whose own status is of the parser's making
        return _STREAM_STATUSES.get(answer.get("Error", {}).get("Code", ""))
    status: int | None = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def _read_body(response: Any) -> str:
    try:
        return str(response.text)
    except Exception:  # noqa: BLE001 - of a stream that nobody read; each library has its own
        return ""


def _name_trouble(error: BaseException) -> _Trouble | None:
    """Name why there was no answer, or no whole one; None for an error of another kind.

    All libraries, of which clients use many, call their errors alike.
    """
    if not type(error).__module__.startswith(_CONNECTING):
        return None
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if any("Credential" in kind for kind in kinds):
        return "keyless"
    if any("Timeout" in kind for kind in kinds):
        return "timeout"
    if any("Connect" in kind for kind in kinds):
        return "connection"
    return "broken" if kinds & _BROKEN else None


class _AskedModel:
    """The model and the server that a request was for, as a user knows them."""

    def __init__(self, request: Any, modules: Sequence[str]) -> None:
        self.server = self.path = self.name = ""
        if request is not None:
            url = httpx.URL(str(request.url))
            self.server = f"{url.scheme}://{url.netloc.decode()}"  # no user, no password
            self.path = url.path
            self.name = _name_asked_model(url.path, request)
        self.is_ollama = self.path.endswith(("/api/chat", "/api/embed", "/api/show"))
        self.section = _name_section(modules, self.path)
        adapters = (name.split(".")[2] for name in modules if name.startswith(_ADAPTERS))
        self._provider = next(adapters, "")
        speaks_openai = self._provider in {"", "openai", "openai_like"}
        self.is_aws = self._provider == "bedrock_converse"
        self.is_openai = speaks_openai and self.section != "reranker"

    def __str__(self) -> str:
        kind = _KINDS[self.section]
        if self.server:
            return f"the {kind} {self.name} at {self.server}"
        return f"the {kind} of {self._provider}" if self._provider else f"the {kind}"


def _name_section(modules: Sequence[str], path: str = "") -> _Section:
    """Name the section of config.yaml that an error is about."""
    if any(name == _RERANKER for name in modules):
        return "reranker"
    is_embedding = "embed" in path or any(".embeddings." in name for name in modules)
    return "embedding" if is_embedding else "llm"


def _name_asked_model(path: str, request: Any) -> str:
    """Return the model's name in the body of a request, or else in its path, as of Gemini."""
    name = _read_object(getattr(request, "content", b"")).get("model")
    return str(name or path.partition("/models/")[2].partition(":")[0])


def _explain_trouble(model: _AskedModel, error: BaseException, trouble: _Trouble) -> str:
    if trouble == "keyless":
        return (
            f"there is no key for {model} in AWS's files and variables. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or name a profile as profile_name in llm.arguments."
        )
    start = "Start it with `ollama serve`" if model.is_ollama else "Start its server"
    if trouble == "timeout":
        return (
            f"{model} did not answer in time. Raise {model.section}.timeout in config.yaml, "
            "or choose a smaller model."
        )
    if trouble == "connection":
        return (
            f"{model} cannot be reached ({_find_system_reason(error)}). "
            f"{start}, or correct {model.section}.base_url in config.yaml."
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


def _explain_refusal(model: _AskedModel, refusal: _Refusal) -> str:
    status = refusal.status
    match status:
        case 401 | 403:
            return _explain_refused_key(model, status)
        case 404:
            return _explain_not_found(model, refusal)
        case 429:
            return _explain_rate_limit(model, refusal)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return f"{model} failed (HTTP {status}). Try again later; its server's log says why."
    return (
        f"{model} refused the request (HTTP {status}{_read_error_code(refusal)}). If the text is "
        "too long for it, lower retrieval.top_k or llm.context_window; "
        f"else check {model.section}.model."
    )


def _explain_refused_key(model: _AskedModel, status: int) -> str:
    if model.is_aws:
        return (
            f"{model} refused the key (HTTP {status}). Correct that of AWS's files and variables, "
            "or let it use the model of llm.model in this region."
        )
    by_default = " (OPENAI_API_KEY by default)" if model.is_openai else ""
    return (
        f"{model} refused the key (HTTP {status}). Correct {model.section}.api_key in config.yaml, "
        f"or the environment variable it comes from{by_default}."
    )


def _explain_not_found(model: _AskedModel, refusal: _Refusal) -> str:
    if model.server and b"model" not in refusal.content:
        return (
            f"{model.server} has no {model.path} (HTTP 404). Correct {model.section}.base_url in "
            "config.yaml; for most servers it ends in /v1, for Ollama in nothing."
        )
    if model.is_ollama or b"pull" in refusal.content:
        return (
            f"{model} is not there. Run `ollama pull {model.name}`, "
            f"or correct {model.section}.model in config.yaml."
        )
    return f"{model} is unknown there. Load it, or correct {model.section}.model in config.yaml."


def _explain_rate_limit(model: _AskedModel, refusal: _Refusal) -> str:
    if _read_error_code(refusal).endswith("insufficient_quota"):
        return f"{model} says that the quota of this key is used up. Raise it at the provider."
    wait = refusal.headers.get("retry-after", "")
    pause = f"It asks to wait {wait} s" if wait.replace(".", "").isdecimal() else "Wait a minute"
    more = "" if model.is_ollama else f", or raise {model.section}.max_retries in config.yaml"
    return f"{model} limits the rate of requests. {pause}, then try again{more}."


def _read_error_code(refusal: _Refusal) -> str:
    """Read the error code of an OpenAI answer, as in ", context_length_exceeded"."""
    error = refusal.data.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return f", {code}" if isinstance(code, str) and code.isidentifier() else ""


def _read_object(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _explain_unreadable_answer(error: Exception, modules: Sequence[str]) -> str | None:
    """Explain an error that arose in reading an answer; None for one that arose elsewhere."""
    # Decoders act for their caller.
    reader = next((name for name in reversed(modules) if not name.startswith(_DECODERS)), "")
    if not reader.startswith(_CLIENTS) and not (
        reader.startswith(_ADAPTERS) and isinstance(error, _LACKING)
    ):
        return None
    section = _name_section(modules)
    return (
        f"the server's answer is empty, broken or of another protocol ({type(error).__name__}). "
        f"Check {section}.base_url and {section}.model in config.yaml, and the server's log."
    )
