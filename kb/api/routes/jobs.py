"""Indexing jobs: asking for one, and how far it is."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from kb.api.dependencies import KB, TheJobs, TheLibrary
from kb.api.guards.access import Administering, Caller, Writing
from kb.api.plain_json import plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem, missing
from kb.api.routes.asking import Body
from kb.app import KnowledgeBase
from kb.document_files import UPLOADS, Library
from stores.jobs import Job

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class JobBody(Body):
    """`path` is inside what was indexed before, or documents.path; without it, that directory.

    `prune` removes documents whose files are gone; `retry` reads again what failed before, though
    it is unchanged.
    """

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    prune: bool = False
    retry: bool = False


@router.post("", status_code=202)
def begin(
    body: JobBody, caller: Administering, kb: KB, library: TheLibrary, jobs: TheJobs
) -> dict[str, Any]:
    """Have a directory or a file indexed."""
    path = _path(kb, body.path)
    root = _root_of(kb, library.uploads, path)
    if root is None or not caller.sees(root) or not _is_there(path):
        raise Problem(Code.PATH_NOT_INDEXED)
    name = UPLOADS if path == library.uploads.resolve() else None
    return job_values(
        jobs.add(str(path), root=name, prune=body.prune, retry=body.retry, asked_by=caller.name)
    )


def _path(kb: KnowledgeBase, asked: str | None) -> Path:
    own = kb.config.documents.path
    if asked is None and own is None:
        raise Problem(Code.NOTHING_TO_INDEX)
    directory = own or kb.config.directory
    return Path(os.path.realpath(directory / (asked or "").replace("\0", "?")))


def _root_of(kb: KnowledgeBase, uploads: Path, path: Path) -> str | None:
    """The indexed directory that a path is in, by its name; None for a path in none."""
    own = kb.config.documents.path
    names = {uploads.resolve(): UPLOADS} | ({own.resolve(): own.name} if own else {})
    names |= {
        Path(root["path"]).resolve(): str(root["name"])
        for root in kb.components.registry.list_roots()
    }
    return next((names[each] for each in (path, *path.parents) if each in names), None)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long
        return False


@router.get("")
def jobs(caller: Writing, kb: KB, library: TheLibrary, jobs: TheJobs) -> list[dict[str, Any]]:
    """The last ones, the newest first."""
    return [job_values(each) for each in jobs.all() if _is_seen(each, caller, kb, library)]


@router.get("/{job_id}")
def job(job_id: str, caller: Writing, kb: KB, library: TheLibrary, jobs: TheJobs) -> dict[str, Any]:
    with missing(Code.NO_SUCH_JOB):
        found = jobs.one(job_id)
    if not _is_seen(found, caller, kb, library):
        raise Problem(Code.NO_SUCH_JOB)
    return job_values(found)


def _is_seen(job: Job, caller: Caller, kb: KnowledgeBase, library: Library) -> bool:
    """Its report names the files that could not be read."""
    return caller.collections is None or caller.sees(_root_of(kb, library.uploads, Path(job.path)))


def job_values(job: Job) -> dict[str, Any]:
    """With the name of what is indexed, and not where it is on this machine."""
    values: dict[str, Any] = plain({**asdict(job), "path": job.root or Path(job.path).name})
    return values
