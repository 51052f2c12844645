"""Indexing jobs: asking for one, and how far it is."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import Field, model_validator

from kb.api.answer_shapes import JobValues
from kb.api.dependencies import KB, TheJobs, TheLibrary
from kb.api.guards.access import Administering, Caller, Writing
from kb.api.json_bodies import StrictBody
from kb.api.openapi_description import problems
from kb.api.plain_json import job_to_values
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from kb.catalogue import UPLOADS
from kb.document_files import Library
from stores.jobs import Job

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class JobBody(StrictBody):
    """`path` is inside what was indexed before, or documents.path; without it, that directory.

    `root` names what was indexed in place of a path: `uploads` are the uploaded files.

    Documents whose files are gone are removed, but not with `keep`; those of a directory in which
    nothing is found any more only with `prune`. `retry` reads again what failed before, though it
    is unchanged.
    """

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    root: Annotated[str, Field(min_length=1, max_length=190)] | None = None
    keep: bool = False
    prune: bool = False
    retry: bool = False

    @model_validator(mode="after")
    def _require_one_way(self) -> Self:
        if self.keep and self.prune:
            raise ValueError("keep and prune exclude each other")
        if self.path is not None and self.root is not None:
            raise ValueError("path and root exclude each other")
        return self


@router.post("", status_code=202, responses=problems(Code.PATH_NOT_INDEXED, Code.NOTHING_TO_INDEX))
def begin_job(
    body: JobBody, caller: Administering, kb: KB, library: TheLibrary, jobs: TheJobs
) -> JobValues:
    """Have a directory, a file or the uploaded files indexed."""
    place = _find_place(body, kb, library)
    is_limited = kb.components.registry.groups is not None  # the report would name all files
    if place is None or is_limited or not caller.may_see(place.root):
        raise Problem(Code.PATH_NOT_INDEXED)
    return job_to_values(
        jobs.add(
            place.path,
            root=place.name,
            seen_by=place.seen_by,
            keep=body.keep,
            prune=body.prune,
            retry=body.retry,
            asked_by=caller.name,
        )
    )


@dataclass(frozen=True)
class _Place:
    """Where a job finds what it indexes, who sees that, and of which root it is.

    `name` is of a root that the path alone does not tell.
    """

    path: str
    seen_by: str | None
    root: str
    name: str | None = None


def _find_place(body: JobBody, kb: KB, library: Library) -> _Place | None:
    """Find what is asked for; None when it was never indexed, or is not here."""
    if body.root == UPLOADS:
        return _Place(*library.locate_uploads(), UPLOADS, UPLOADS)
    if body.root is not None:
        directory = kb.components.registry.find_root_path(body.root)
        if directory is None or not _is_there(Path(directory)):
            return None
        return _Place(directory, kb.config.machine, body.root, body.root)
    path = _resolve_path(kb, body.path)
    root = _find_root(_name_roots(kb, library), path)
    if root is None or not _is_there(path):
        return None
    if library.shared and path == library.shared.path.resolve():
        return _Place(*library.locate_uploads(), UPLOADS, UPLOADS)
    return _Place(str(path), kb.config.machine, root)


def _resolve_path(kb: KB, asked: str | None) -> Path:
    own = kb.config.documents.path
    if asked is None and own is None:
        raise Problem(Code.NOTHING_TO_INDEX)
    directory = own or kb.config.directory
    return Path(os.path.realpath(directory / (asked or "").replace("\0", "?")))


def _name_roots(kb: KB, library: Library) -> Mapping[Path, str]:
    """Return the names of the indexed directories by their places."""
    own, shared = kb.config.documents.path, library.shared
    names = {shared.path.resolve(): UPLOADS} if shared else {}
    names |= {own.resolve(): own.name} if own else {}
    return names | {
        Path(root["path"]).resolve(): str(root["name"])
        for root in kb.components.registry.list_roots()
        if root["path"]
    }


def _find_root(names: Mapping[Path, str], path: Path) -> str | None:
    """Find the name of the indexed directory that a path is in, None for a path in none."""
    return next((names[place] for place in (path, *path.parents) if place in names), None)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long
        return False


@router.get("")
def list_jobs(caller: Writing, kb: KB, library: TheLibrary, jobs: TheJobs) -> list[JobValues]:
    """The last ones, the newest first."""
    return [job_to_values(job) for job in _list_visible(jobs.all(), caller, kb, library)]


@router.get("/{job_id}", responses=problems(Code.NO_SUCH_JOB))
def read_job(job_id: str, caller: Writing, kb: KB, library: TheLibrary, jobs: TheJobs) -> JobValues:
    """How far a job is, and at its end what it did."""
    with translate_missing(Code.NO_SUCH_JOB):
        found = jobs.one(job_id)
    if not _list_visible([found], caller, kb, library):
        raise Problem(Code.NO_SUCH_JOB)
    return job_to_values(found)


def _list_visible(jobs: Sequence[Job], caller: Caller, kb: KB, library: Library) -> Sequence[Job]:
    """List the jobs that a caller may see: their reports name files that could not be read.

    Who is limited to groups sees those for files that they have sent.
    """
    if kb.components.registry.groups is not None:
        jobs = [job for job in jobs if job.only_files and job.asked_by == caller.name]
    if caller.collections is None:
        return jobs
    names = _name_roots(kb, library)
    return [job for job in jobs if caller.may_see(job.root or _find_root(names, Path(job.path)))]
