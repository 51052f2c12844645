"""Add the documents of a program, as readers of LlamaIndex make them, to a root of their own."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from llama_index.core.schema import Document, MetadataMode, TextNode

from kb.indexing.charset import clean_text
from kb.indexing.chunks import split_section_into_chunks
from kb.indexing.content_hash import hash_text
from kb.indexing.document import (
    MAX_TEXT,
    Kind,
    ReadDocument,
    Section,
    TooMuchText,
    UnreadableFile,
)
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.markdown_blocks import find_first_headings
from kb.indexing.pieces import CAP
from kb.indexing.read import FORMATS, MAX_TITLE
from kb.indexing.report import IndexReport, OnChange, OnProgress, Tally
from kb.indexing.split import split_document
from kb.indexing.walk import make_storable
from kb.indexing.writing import DocumentWriter, SplitDocument
from stores.chunks.vector_index import build_index_after
from stores.errors import ConfigError, RootConflict
from stores.plain_json import write_plain_json
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    KnownDocument,
    document_id,
)
from stores.text.text_language import detect_language, language_code
from stores.text.translations import Message

MOST_ID: Final = 512  # characters, as of a LlamaIndex node
_MOST_ROOT: Final = 190
MOST_MEDIA_TYPE: Final = 190
_KINDS: Final[Mapping[str, Kind]] = {
    media_type: "code" if reader == "code" else "text" for reader, media_type in FORMATS.values()
} | {"text/markdown": "markdown", "text/plain": "text"}
"""Of text by its media type; what is not known is Markdown, as plain text is."""
MEDIA_TYPE_KEYS: Final = ("media_type", "file_type", "mimetype")
OWN_KEYS: Final = ("path", "root", "size", "media_type", "language", "page", "lines")
"""Metadata that kb fills, and no model sees."""

_SAME_ID: Final = "a document before it in this call has the same id"

SplitAll = Callable[[DocumentWriter, str, Mapping[str, KnownDocument]], Iterator[SplitDocument]]
"""Makes documents that are new or changed of what a root is known to hold."""


@dataclass(frozen=True)
class DocumentAdder:
    """Adds documents to one registry, with one embedding model."""

    registry: DocumentRegistry
    embedder: ChunkEmbedder
    on_progress: OnProgress = lambda _: None
    on_change: OnChange = lambda _: None
    say: Callable[[str], None] = lambda _: None

    def add(self, documents: Iterable[Document], root: str) -> IndexReport:
        """Add documents below a root, each in the place of the one with its id.

        Raises ConfigError, RootConflict, ModelUnavailable or StoreUnavailable; what was written
        until then stays. What cannot be added is among the failures.
        """
        listed = list(documents)

        def split_all(
            writer: DocumentWriter, root: str, known: Mapping[str, KnownDocument]
        ) -> Iterator[SplitDocument]:
            return _Addition(writer, root, known).split_all(listed)

        return self.write_below(root, len(listed), split_all)

    def write_below(self, root: str, count: int, split_all: SplitAll) -> IndexReport:
        """Write what `split_all` makes of so many documents below a root that has no directory.

        Raises what `add` raises.
        """
        started, root = time.monotonic(), _require_root(root)
        tally = Tally(self.on_progress, self.on_change, root)
        notices = [
            Message("Another run is indexing {root!r}; waiting until it is done.", root=root)
        ]

        def report_waiting() -> None:
            while notices:
                self.say(notices.pop())
            tally.report_progress()  # it may raise, to end the waiting

        with self.registry.hold_root(root, report_waiting):
            self._claim_root(root)
            self.registry.apply_access()
            tally.begin_run(count)
            writer = DocumentWriter(self.registry, self.embedder, tally)
            with (
                self.registry.warm_up_after(),
                build_index_after(self.registry.engine, self.registry.table, count, self.say),
            ):
                writer.write_all(split_all(writer, root, self.registry.find_known(root)))
        return tally.make_report(time.monotonic() - started)

    def _claim_root(self, root: str) -> None:
        """Set the root as one without a directory; raise RootConflict if it has one."""
        if directory := self.registry.find_root_path(root):
            raise RootConflict(
                f"{root!r} is the name of the directory {directory}, whose next run would remove "
                "what is added to it. Add documents below a root of another name."
            )
        self.registry.set_root(root, None)


@dataclass(frozen=True)
class _Addition:
    """One call: what it shares is the writer, the root and what is known of it."""

    writer: DocumentWriter
    root: str
    known: Mapping[str, KnownDocument]

    def split_all(self, documents: Iterable[Document]) -> Iterator[SplitDocument]:
        """Yield what is new or has changed; count what is not, and note what cannot be added."""
        tally, seen = self.writer.tally, set[str]()
        for number, document in enumerate(documents, start=1):
            if not isinstance(document, Document):
                kind = type(document).__name__
                tally.fail(f"#{number}", f"it is a {kind}, and no Document of LlamaIndex")
                continue
            path = make_storable(document.id_)
            if reason := why_unfit(path, seen):
                tally.fail(path[:MOST_ID] or f"#{number}", reason)
                continue
            seen.add(path)
            try:
                if split := self._split_changed(path, document):
                    yield split
                else:
                    tally.count_unchanged(path)
            except UnreadableFile as error:
                self.writer.fail(self._identify(path), self.root, path, str(error))

    def _split_changed(self, path: str, document: Document) -> SplitDocument | None:
        """Split a document, None if it is indexed as it is; raise UnreadableFile for unfit ones."""
        content = _write_content(document)
        content_hash, last = hash_text(content), self.known.get(path)
        if last and last.is_current(content_hash):
            return None
        read = _read_document(path, document)
        text = document.get_content(MetadataMode.NONE)
        indexed = IndexedDocument(
            id=self._identify(path),
            root=self.root,
            path=path,
            content_hash=content_hash,
            size=len(text.encode("utf-8", "replace")),
            modified_at=None,
            media_type=read.media_type,
            title=read.title,
            language=read.language,
        )
        chunks = split_document(read, indexed.id)
        if not chunks:
            raise UnreadableFile("it has no text")
        for chunk in chunks:
            _take_over(chunk, document, indexed)
        _require_room(chunks)
        return SplitDocument(indexed, chunks, is_new=not (last and last.stored))

    def _identify(self, path: str) -> str:
        return self.known[path].id if path in self.known else document_id(self.root, path)


def _require_root(name: str) -> str:
    """Return the name of a root as it is stored; raise ConfigError if it can be none."""
    root = make_storable(name)
    if not root.strip() or len(root) > _MOST_ROOT:
        raise ConfigError(
            f"{name[:60]!r} cannot name a root: give one of up to {_MOST_ROOT} characters, below "
            "which the documents are told apart by their ids."
        )
    return root


def why_unfit(path: str, seen: set[str]) -> str | None:
    """Say why an id cannot be that of a document, None if it can."""
    if not path.strip():
        return "its id is empty"
    if len(path) > MOST_ID:
        return f"its id has {len(path)} characters; {MOST_ID} are kept"
    return _SAME_ID if path in seen else None


def _write_content(document: Document) -> str:
    """Write all that a document's chunks depend on; raise UnreadableFile for what is no JSON."""
    facts = document.model_dump(
        include={
            "excluded_embed_metadata_keys",
            "excluded_llm_metadata_keys",
            "metadata_template",
            "metadata_separator",
            "text_template",
        }
    )
    content = [document.get_content(MetadataMode.NONE), document.metadata, facts]
    try:
        written = write_plain_json(content, sort_keys=True)
        write_plain_json(document.metadata).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UnreadableFile(f"its metadata hold what JSON cannot express: {error}") from error
    return written.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _read_document(path: str, document: Document) -> ReadDocument:
    """Return the document as one that was read, with page, lines and title of its metadata."""
    metadata, text = document.metadata, clean_text(document.get_content(MetadataMode.NONE))
    if not text.strip():
        raise UnreadableFile("it has no text")
    if len(text) > MAX_TEXT:
        raise TooMuchText
    media_type = str(next((metadata[key] for key in MEDIA_TYPE_KEYS if metadata.get(key)), ""))
    kind = _KINDS.get(media_type, "markdown")
    page = _read_number(metadata.get("page")) or _read_number(metadata.get("page_label"))
    first_line = _read_number(str(metadata.get("lines") or "").partition("-")[0])
    section = Section(text, page=page, first_line=first_line)
    chunks = tuple(split_section_into_chunks(section, kind))
    declared = language_code(str(metadata.get("language") or metadata.get("lang") or ""))
    return ReadDocument(
        title=choose_title(path, metadata, text, kind),
        language=declared or ("" if kind == "code" else detect_language(text)),
        media_type=media_type[:MOST_MEDIA_TYPE] or "text/plain",
        kind=kind,
        sections=(replace(section, chunks=chunks),),
        metadata={},
    )


def _read_number(value: object) -> int | None:
    """Return a number from 1 on, also when it is written as text; None for anything else."""
    text = str(value)
    return int(text) if text.isdecimal() and text.isascii() and 0 < int(text) < 2**31 else None


def choose_title(path: str, metadata: Mapping[str, Any], text: str, kind: Kind) -> str:
    """Return the title that the metadata say, else the first heading, else a name."""
    headings = find_first_headings(text) if kind == "markdown" else {}
    first_heading = next(iter(headings.values()), "")
    candidates = (metadata.get("title"), first_heading, metadata.get("file_name"), path)
    titles = (" ".join(clean_text(str(candidate or "")).split()) for candidate in candidates)
    return next((title for title in titles if title), path)[:MAX_TITLE]


def _take_over(chunk: TextNode, document: Document, indexed: IndexedDocument) -> None:
    """Give a chunk the metadata of its document, shown to the models as the document says."""
    own = {"path": indexed.path, "root": indexed.root}
    chunk.metadata = {"size": indexed.size, **document.metadata, **chunk.metadata, **own}
    chunk.metadata_template = document.metadata_template
    chunk.metadata_separator = document.metadata_separator
    chunk.text_template = document.text_template
    chunk.excluded_embed_metadata_keys = [*OWN_KEYS, *document.excluded_embed_metadata_keys]
    chunk.excluded_llm_metadata_keys = [*OWN_KEYS, *document.excluded_llm_metadata_keys]


def _require_room(chunks: Iterable[TextNode]) -> None:
    """Raise UnreadableFile when metadata would leave the embedding model no room for the text."""
    longest = max(len(chunk.get_metadata_str(MetadataMode.EMBED)) for chunk in chunks)
    if longest > CAP:
        raise UnreadableFile(
            f"its metadata put {longest} characters before each chunk, of at most {CAP}. Name "
            "those that no model needs in excluded_embed_metadata_keys"
        )
