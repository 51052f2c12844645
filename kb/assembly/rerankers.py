"""Config -> what puts the passages of a search profile in order again."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from llama_index.core.llms.llm import LLM
from llama_index.core.postprocessor import LLMRerank, SentenceTransformerRerank
from llama_index.core.postprocessor.types import BaseNodePostprocessor

from engines.search.profiles import Rerank
from engines.search.rerank_server import RerankServer
from engines.search.reranking import read_choices
from kb.config.models import MODEL_VARIABLES, RerankerConfig
from kb.config.sections import Config
from stores.errors import ConfigError, ModelUnavailable

# The place of each provider, and a model of it as an example.
_PROVIDERS: Final = {
    "cohere": ("https://api.cohere.com/v2", "rerank-v3.5"),
    "jina": ("https://api.jina.ai/v1", "jina-reranker-v2-base-multilingual"),
    "voyage": ("https://api.voyageai.com/v1", "rerank-2.5"),
    "server": (None, "bge-reranker-v2-m3"),
}


def make_reranker(config: Config, rerank: Rerank, llm: LLM | None) -> BaseNodePostprocessor:
    """Make the reranker of a profile; a cross-encoder's path is relative to config.yaml.

    Raises ConfigError, ModelUnavailable.
    """
    match rerank.by:
        case "llm":
            return _make_llm_reranker(rerank, llm)
        case "reranker":
            return make_rerank_server(config.reranker)
        case path:
            directory = config.directory / Path(path).expanduser()
            return _load_cross_encoder(directory, rerank.candidates)


def _make_llm_reranker(rerank: Rerank, llm: LLM | None) -> LLMRerank:
    if llm is None:
        raise ConfigError(
            "The search profile reranks by the LLM, but llm.provider is none. Configure an LLM, "
            "or choose a profile that does not rerank."
        )
    return LLMRerank(llm=llm, top_n=rerank.candidates, parse_choice_select_answer_fn=read_choices)


def make_rerank_server(reranker: RerankerConfig) -> RerankServer:
    """Make the reranker of the section `reranker`. Raises ConfigError."""
    provider = reranker.provider
    if provider == "none":
        raise ConfigError(
            "The search profile reranks by the model of the section reranker, but "
            f"reranker.provider is none. Set it, for example to {', '.join(_PROVIDERS)}."
        )
    url, example = _PROVIDERS[provider]
    url = reranker.base_url or url
    if url is None:
        raise ConfigError(
            "reranker.provider is server, but reranker.base_url is not set. Set it in config.yaml, "
            "for example to http://localhost:8000/v1."
        )
    if not reranker.model:
        raise ConfigError(
            f"reranker.model is not set in config.yaml. Name one, for example {example}."
        )
    if provider in MODEL_VARIABLES and not reranker.api_key:
        raise ConfigError(
            f"reranker.provider is {provider}, but there is no key. Set the environment variable "
            f"{MODEL_VARIABLES[provider]['api_key']}, or reranker.api_key in config.yaml."
        )
    return RerankServer(
        url=f"{url}/rerank",
        model=reranker.model,
        api_key=reranker.api_key,
        timeout=reranker.timeout,
        max_retries=reranker.max_retries,
        body=reranker.arguments,
    )


def _load_cross_encoder(directory: Path, count: int) -> BaseNodePostprocessor:
    """Load a cross-encoder from files: an existing directory keeps the model hub out."""
    from kb.sentence_model.cross_encoder import CrossEncoder, find_graph  # noqa: PLC0415 - loads ONNX Runtime

    if graph := find_graph(directory):
        return CrossEncoder(graph=graph)
    return _load_by_torch(directory, count)


@cache
def _load_by_torch(directory: Path, count: int) -> BaseNodePostprocessor:
    if not (directory / "config.json").is_file():
        raise ConfigError(
            f"The search profile reranks by the cross-encoder {directory}, but there is neither a "
            "model.onnx nor a config.json in it. Name the directory of a downloaded model, "
            "'llm', or 'reranker'."
        )
    if find_spec("sentence_transformers") is None:
        raise ConfigError(
            f"The search profile reranks by the cross-encoder {directory}, which needs the extra "
            "rerank. Install it with `pip install 'mariadb-kb[rerank]'`, or put the model's "
            "model.onnx and tokenizer.json there, which need no extra."
        )
    try:
        return SentenceTransformerRerank(model=str(directory), top_n=count, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(
            f"The cross-encoder in {directory} cannot be loaded ({type(error).__name__}). "
            "Download it again, whole, or choose another."
        ) from error
