"""Documents: which there are, uploading, removing, retrying; passages and original files."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Form, Query, Request, UploadFile
from pydantic import Field, StringConstraints
from starlette.responses import FileResponse, Response, StreamingResponse

from kb.api.answer_shapes import JobValues
from kb.api.byte_ranges import find_range
from kb.api.dependencies import KB, TheJobs, TheLibrary, TheLimits, TheThreads
from kb.api.described import Told
from kb.api.guards.access import Caller, Reading, Writing
from kb.api.guards.upload_quota import TheQuota, UploadQuota
from kb.api.json_bodies import StrictBody
from kb.api.openapi_description import problems
from kb.api.passage_json import (
    PlacedPassage,
    SurroundedPassage,
    place_passage,
    surround_passage,
)
from kb.api.plain_json import job_to_values, to_plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from kb.catalogue import UPLOADS
from kb.document_files import Library, clean_upload_path
from kb.indexing.file_kinds import find_kind_by_name
from kb.indexing.secret_files import HEAD_BYTES, why_secret
from kb.sample_shop import list_sample_documents
from stores.audiences import NAME_CHARACTERS
from stores.chats.chat_sessions import CitingTurn
from stores.errors import StoreError
from stores.jobs import Jobs
from stores.registry.document_list import Chosen, Folder, ListedDocument, Sort
from stores.registry.document_registry import document_id
from stores.uploaded_files import LONGEST_PATH, UploadedFile

router = APIRouter(prefix="/api", tags=["documents"])
_MOST_CHOICES: Final = 200
_MOST_GROUPS: Final = 100
Group = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARACTERS)
]
_SAMPLES: Final = "samples"  # the folder of the sample documents
_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {"*/*": _BYTES}},
    206: {"description": "The bytes that the header Range asks for", "content": {"*/*": _BYTES}},
}
_SANDBOX: Final = "sandbox; default-src 'none'"
_PDF: Final = "application/pdf"


class GroupsBody(StrictBody):
    groups: list[Group] = Field(max_length=_MOST_GROUPS)


@dataclass(frozen=True)
class DocumentPage:
    """Documents from `offset` on, of `total`, and the folders of the one that was asked for."""

    documents: list[ListedDocument]
    folders: list[Folder]
    total: int
    offset: int


@router.get("/documents")
def list_documents(
    caller: Reading,
    library: TheLibrary,
    *,
    status: Literal["indexed", "failed"] | None = None,
    root: str | None = None,
    folder: Annotated[str | None, Query(max_length=LONGEST_PATH)] = None,
    search: Annotated[str | None, Query(max_length=1000)] = None,
    sort: Sort = "name",
    descending: bool = False,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Told[DocumentPage]:
    """A page of the files that match, with their states and the reasons of failures.

    With a `folder` of a root, / for its top, those that lie in it, and its `folders` with what is
    in them; with `search` all below it.
    """
    roots = caller.list_visible_roots(root)
    path = None if folder is None else folder.strip("/")
    chosen = Chosen(status, roots, search or None, path, is_deep=bool(search))
    page, total = library.documents.list_sorted(
        chosen, sort, descending=descending, offset=offset, limit=limit
    )
    is_in_folder = folder is not None and not search and not offset
    folders = library.documents.list_folders(chosen) if is_in_folder else []
    return to_plain(DocumentPage(list(page), list(folders), total, offset))


@dataclass(frozen=True)
class FilterValue:
    """A value of a key, and how many documents have it."""

    value: str | int | float | bool
    documents: int


@dataclass(frozen=True)
class FilterKey:
    key: str
    values: list[FilterValue]


@router.get("/filters")
def list_filters(caller: Reading, library: TheLibrary) -> Told[list[FilterKey]]:
    """The keys by which documents are usually told apart, with the values that there are."""
    keys = dict.fromkeys((*library.vector_store.filter_keys, "language"))
    found = [FilterKey(key, _list_choices(library, caller, key)) for key in keys]
    return [choice for choice in found if choice.values]


def _list_choices(library: TheLibrary, caller: Caller, key: str) -> list[FilterValue]:
    """List the most frequent values, in their order."""
    counts = library.documents.count_values(
        library.registry.table, key, caller.list_visible_roots(None)
    )
    frequent = sorted(counts, key=lambda value: (-counts[value], str(value)))[:_MOST_CHOICES]
    return [FilterValue(value, counts[value]) for value in sorted(frequent, key=str)]


@dataclass(frozen=True)
class DocumentName:
    root: str
    path: str


@dataclass(frozen=True)
class Upload:
    """What is kept, and the job that indexes it; what is not is `passed_over`.

    `reasons` says of files that hold secrets, by their names, why they do.
    """

    documents: list[DocumentName]
    passed_over: list[str]
    reasons: dict[str, str]
    job: JobValues


_OF_UPLOADS: Final = problems(
    *(Code.KEY_LACKS_COLLECTION, Code.FILES_NOT_READ, Code.FILE_IN_THE_WAY, Code.FILES_THERE),
    *(Code.UPLOADS_FAILED, Code.NO_ROOM_FOR_FILES),
)


@router.post(
    "/documents",
    status_code=202,
    responses=_OF_UPLOADS,
)
async def upload_documents(
    files: list[UploadFile],
    caller: Writing,
    library: TheLibrary,
    jobs: TheJobs,
    quota: TheQuota,
    limits: TheLimits,
    threads: TheThreads,
    *,
    replace: Annotated[bool, Form()] = False,
    folder: Annotated[str, Form(max_length=LONGEST_PATH)] = "",
    groups: Annotated[list[Group], Form(max_length=_MOST_GROUPS)] = [],  # noqa: B006 - FastAPI copies it
) -> Told[Upload]:
    """Keep files in a folder of the uploads, and have them indexed by the job in the answer.

    With `groups` they are for these alone of whom rules and their own marks let in; without, for
    those to whom a file of that name was given before.

    Those of kinds without text, as pictures are, and those that hold keys or passwords are
    `passed_over`; `reasons` says by their names why the latter are.
    """
    named = {_name_upload(folder, file): file for file in files}
    if len(named) < len(files):
        raise Problem(Code.SAME_FILE_NAMES, {"names": ", ".join(named)})
    if groups and library.registry.access is None:
        raise Problem(Code.GROUPS_WITHOUT_ACCESS)
    async with limits.take_uploading(caller):
        keep = partial(
            _keep_files, named, caller, library, jobs, quota, replace=replace, groups=groups
        )
        return await threads.uploading.run(keep)


@router.post("/documents/samples", status_code=202, responses=_OF_UPLOADS)
async def add_samples(
    caller: Writing,
    library: TheLibrary,
    jobs: TheJobs,
    quota: TheQuota,
    limits: TheLimits,
    threads: TheThreads,
) -> Told[Upload]:
    """Keep the documents of the sample shop in the folder `samples`, as if they were uploaded."""
    async with limits.take_uploading(caller):
        return await threads.uploading.run(partial(_keep_samples, caller, library, jobs, quota))


def _keep_samples(caller: Caller, library: Library, jobs: Jobs, quota: UploadQuota) -> Upload:
    with ExitStack() as opened:
        named = {
            f"{_SAMPLES}/{name}": UploadFile(
                opened.enter_context(path.open("rb")), size=path.stat().st_size, filename=name
            )
            for name, path in list_sample_documents()
        }
        return _keep_files(named, caller, library, jobs, quota, replace=False)


def _keep_files(
    named: Mapping[str, UploadFile],
    caller: Caller,
    library: Library,
    jobs: Jobs,
    quota: UploadQuota,
    *,
    replace: bool,
    groups: Sequence[str] = (),
) -> Upload:
    if not caller.may_see(UPLOADS):
        raise Problem(Code.KEY_LACKS_COLLECTION, {"collection": UPLOADS})
    quota.require_failures_left(caller)
    readable = {name: file for name, file in named.items() if not find_kind_by_name(name)}
    secrets = {
        name: reason for name, file in readable.items() if (reason := _why_secret(name, file))
    }
    readable = {name: file for name, file in readable.items() if name not in secrets}
    if not readable:
        reasons = [f"{name} ({secrets[name]})" if name in secrets else name for name in named]
        raise Problem(Code.FILES_NOT_READ, {"names": ", ".join(reasons)})
    # All files of a request are kept, or none.
    for path in readable:
        if obstacle := library.find_obstacle(path):
            raise Problem(Code.FILE_IN_THE_WAY, {"path": path, "obstacle": obstacle})
    if there := [name for name in readable if library.is_taken(name, replace=replace)]:
        raise _make_names_taken(there)
    sizes = {document_id(UPLOADS, name): file.size or 0 for name, file in readable.items()}
    with library.receive_files({name: file.file for name, file in readable.items()}) as received:

        def put(connection: sa.Connection) -> None:
            for name in sorted(readable) if groups else ():
                document = library.registry.identify(connection, UPLOADS, name)
                library.registry.give_groups_within(connection, document, groups)
            received.put_all(connection, replace=replace)

        try:
            quota.keep_files(caller, sizes, put)
        except FileExistsError as error:  # somebody else was quicker
            raise _make_names_taken([str(error)]) from error
    path, seen_by = library.locate_uploads()
    job = jobs.add(
        path, root=UPLOADS, seen_by=seen_by, only_files=list(readable), asked_by=caller.name
    )
    return Upload(
        documents=[DocumentName(UPLOADS, name) for name in readable],
        passed_over=[name for name in named if name not in readable],
        reasons=secrets,
        job=job_to_values(job),
    )


def _why_secret(name: str, file: UploadFile) -> str | None:
    """Find why a file is secret, by its own name and by the one that it would be kept under."""
    head = file.file.read(HEAD_BYTES)
    file.file.seek(0)
    return why_secret(file.filename or "") or why_secret(PurePosixPath(name).name, head)


def _name_upload(folder: str, file: UploadFile) -> str:
    if not file.filename:
        raise Problem(Code.FILE_WITHOUT_NAME)
    try:
        return clean_upload_path(folder, file.filename)
    except StoreError as error:
        raise Problem(
            Code.UPLOAD_NOT_NAMED, {"path": f"{folder}/{file.filename}"[-200:]}
        ) from error


def _make_names_taken(names: list[str]) -> Problem:
    return Problem(Code.FILES_THERE, {"names": ", ".join(names)}, more={"paths": names})


@dataclass(frozen=True)
class RemovedDocument(DocumentName):
    file_deleted: bool


@router.delete("/documents/{root}/{path:path}", responses=problems(Code.NO_SUCH_DOCUMENT))
def remove_document(
    root: str, path: str, caller: Writing, library: TheLibrary
) -> Told[RemovedDocument]:
    """Forget a document; the file of an uploaded one is deleted, any other is left where it is."""
    document = _find_document(library, caller, root, path)
    return RemovedDocument(root, path, library.remove_document(document))


@dataclass(frozen=True)
class GivenGroups:
    groups: list[str]


@router.get("/documents/{root}/{path:path}/groups", responses=problems(Code.NO_SUCH_DOCUMENT))
def list_document_groups(
    root: str, path: str, caller: Writing, library: TheLibrary
) -> Told[GivenGroups]:
    """The groups that somebody gave to a document, beside rules and what its own text marks."""
    document = _find_document(library, caller, root, path)
    return GivenGroups(library.registry.read_groups(document.id))


@router.put(
    "/documents/{root}/{path:path}/groups",
    responses=problems(Code.NO_SUCH_DOCUMENT, Code.GROUPS_WITHOUT_ACCESS),
)
def give_document_groups(
    root: str, path: str, body: GroupsBody, caller: Writing, library: TheLibrary
) -> Told[GivenGroups]:
    """Give a document groups, in the place of those that it was given before; from now on.

    With none it is for all whom rules and its own marks let in.
    """
    document = _find_document(library, caller, root, path)
    if library.registry.access is None:
        raise Problem(Code.GROUPS_WITHOUT_ACCESS)
    library.registry.give_groups(document.id, body.groups)
    return GivenGroups(library.registry.read_groups(document.id))


@router.post(
    "/documents/{root}/{path:path}/retry",
    status_code=202,
    responses=problems(Code.NO_SUCH_DOCUMENT, Code.FILE_TO_READ_GONE, Code.UPLOADS_FAILED),
)
def retry_document(
    root: str,
    path: str,
    caller: Writing,
    kb: KB,
    library: TheLibrary,
    jobs: TheJobs,
    quota: TheQuota,
) -> JobValues:
    """Read and index a file again, in the job that is answered."""
    quota.require_failures_left(caller)
    document = _find_document(library, caller, root, path)
    original = library.find_original(document)
    if original is None:
        raise Problem(Code.FILE_TO_READ_GONE)
    if isinstance(original, UploadedFile) or (library.shared and document.root == UPLOADS):
        place, seen_by = library.locate_uploads()
    else:
        place = library.registry.find_root_path(document.root) or ""
        seen_by = kb.config.machine
    job = jobs.add(
        place,
        root=document.root,
        seen_by=seen_by,
        only_files=[document.path],
        retry=True,
        asked_by=caller.name,
    )
    return job_to_values(job)


@dataclass(frozen=True)
class DocumentPassages(ListedDocument):
    """A document with its passages from `offset` on."""

    passages: list[PlacedPassage]
    offset: int


@router.get(
    "/documents/{root}/{path:path}/passages",
    responses=problems(Code.NO_SUCH_DOCUMENT, Code.PASSAGE_CHANGED),
)
def list_passages(
    root: str,
    path: str,
    caller: Reading,
    kb: KB,
    library: TheLibrary,
    at: Annotated[str | None, Query(max_length=512)] = None,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Told[DocumentPassages]:
    """A document as it is listed, with passages in their order: from `offset`, or around `at`."""
    document = _find_document(library, caller, root, path)
    name = f"{root}/{path}"
    kb.components.books.audit.note_reading("passages", name, caller.name, [name])
    table = library.registry.table
    if at is not None:
        before = library.documents.count_passages_before(table, document, at)
        offset = max(0, before - limit // 2)
    found = library.documents.list_passages(table, document, offset=offset, limit=limit)
    return DocumentPassages(
        **vars(to_plain(document)),
        passages=[place_passage(each.id, each.text, each.metadata) for each in found],
        offset=offset,
    )


@router.get("/documents/{root}/{path:path}/questions", responses=problems(Code.NO_SUCH_DOCUMENT))
def list_document_questions(
    root: str, path: str, caller: Reading, kb: KB, library: TheLibrary
) -> Told[list[CitingTurn]]:
    """The caller's own questions of their last chats whose answers cite the document."""
    document = _find_document(library, caller, root, path)
    turns = kb.components.session_store.list_citing_turns(document.id, caller.name)
    own = f"@{caller.id}"
    return to_plain([replace(turn, session_id=turn.session_id.removesuffix(own)) for turn in turns])


@router.get(
    "/documents/{root}/{path:path}/original",
    response_class=Response,
    responses=_FILE
    | problems(
        *(Code.NO_SUCH_DOCUMENT, Code.FILE_GONE, Code.FILE_CHANGED, Code.RANGE_BEYOND_END),
    ),
)
def download_original(
    root: str, path: str, request: Request, caller: Reading, kb: KB, library: TheLibrary
) -> Response:
    """The file itself: PDF and text to look at, anything else to save; or a range of its bytes."""
    document = _find_document(library, caller, root, path)
    name = f"{root}/{path}"
    kb.components.books.audit.note_reading("original", name, caller.name, [name])
    media_type, disposition = _choose_disposition(document.media_type or "")
    # In a sandbox some browsers show no PDF, which has no scripts of this origin.
    policy = "frame-ancestors 'none'" if media_type == _PDF else _SANDBOX
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    found = library.find_original(document)
    is_limited = library.registry.groups is not None
    if found and is_limited and not library.is_as_indexed(document, found):
        raise Problem(Code.FILE_CHANGED)
    match found:
        case Path() as file:
            return FileResponse(
                file,
                media_type=media_type,
                filename=file.name,
                content_disposition_type=disposition,
                headers=headers,
            )
        case UploadedFile() as kept:
            name = quote(PurePosixPath(kept.path).name)
            headers["Content-Disposition"] = f"{disposition}; filename*=utf-8''{name}"
            return _stream_kept(library, kept, request, media_type, headers)
    raise Problem(Code.FILE_GONE)


def _stream_kept(
    library: Library,
    kept: UploadedFile,
    request: Request,
    media_type: str,
    headers: Mapping[str, str],
) -> Response:
    """Stream a file that the database keeps, or those of its bytes that are asked for."""
    etag = f'"{kept.sha256.hex()}"'
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": etag}
    asked = find_range(request.headers, kept.bytes, etag)
    if asked is None:
        headers["Content-Length"] = str(kept.bytes)
        pieces = library.uploaded_files.read(kept)
        return StreamingResponse(pieces, media_type=media_type, headers=headers)
    headers["Content-Length"] = str(len(asked))
    headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{kept.bytes}"
    pieces = library.uploaded_files.read_range(kept, asked)
    return StreamingResponse(pieces, 206, media_type=media_type, headers=headers)


def _choose_disposition(media_type: str) -> tuple[str, Literal["inline", "attachment"]]:
    """Return the type and disposition of a file: nothing that a browser would run is shown."""
    if media_type == _PDF:
        return media_type, "inline"
    if media_type.startswith("text/") and not {"html", "xml", "javascript"} & set(
        media_type.removeprefix("text/").replace("+", "-").split("-")
    ):
        return "text/plain; charset=utf-8", "inline"
    return "application/octet-stream", "attachment"


def _find_document(library: TheLibrary, caller: Caller, root: str, path: str) -> ListedDocument:
    if not caller.may_see(root):
        raise Problem(Code.NO_SUCH_DOCUMENT)
    with translate_missing(Code.NO_SUCH_DOCUMENT):
        return library.documents.one(root, path)


@router.get("/chunks/{chunk_id:path}", responses=problems(Code.NO_SUCH_PASSAGE))
def read_passage(
    chunk_id: str,
    caller: Reading,
    kb: KB,
    library: TheLibrary,
    around: Annotated[int, Query(ge=0, le=5)] = 1,
) -> Told[SurroundedPassage]:
    """A stored passage with those around it, its title and place in the document."""
    passage = library.find_passage(chunk_id, around)
    if passage is None or not caller.may_see(passage.chunk.metadata.get("root")):
        raise Problem(Code.NO_SUCH_PASSAGE)
    metadata = passage.chunk.metadata
    name = f"{metadata.get('root')}/{metadata.get('path')}"
    kb.components.books.audit.note_reading("passages", name, caller.name, [name])
    return surround_passage(passage)
