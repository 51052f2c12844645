"""Indexing jobs: asking for one, and how far it is."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from kb.app import KnowledgeBase
from kb.library import UPLOADS
from kb.server.access import Administering, Writing
from kb.server.asking import Body
from kb.server.parts import KB, TheJobs, TheLibrary
from kb.server.plain import plain
from kb.server.problems import Problem, missing
from stores.jobs import Job

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class JobBody(Body):
    """`path` is inside what was indexed before, or documents.path; without it, that directory.

    `prune` removes documents whose files are gone.
    """

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    prune: bool = False


@router.post("", status_code=202)
def begin(
    body: JobBody, caller: Administering, kb: KB, library: TheLibrary, jobs: TheJobs
) -> dict[str, Any]:
    """Have a directory or a file indexed."""
    path = _path(kb, library.uploads, body.path)
    root = UPLOADS if path == library.uploads.resolve() else None
    return job_values(jobs.add(str(path), root=root, prune=body.prune, asked_by=caller.name))


def _path(kb: KnowledgeBase, uploads: Path, asked: str | None) -> Path:
    own = kb.config.documents.path
    if asked is None and own is None:
        raise Problem(409, "There is nothing to index", "Name a path, or set documents.path.")
    directory = own or kb.config.directory
    path = Path(os.path.realpath(directory / (asked or "").replace("\0", "?")))
    known = [*([own] if own else []), uploads, *(Path(r["path"]) for r in kb.registry.roots())]
    if not any(path.is_relative_to(each.resolve()) for each in known) or not _is_there(path):
        raise Problem(
            422,
            "The path may not be indexed",
            "It is not inside documents.path or a directory that was indexed before. "
            "`kb index PATH` on the server's machine adds one.",
        )
    return path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long
        return False


@router.get("")
def jobs(caller: Writing, jobs: TheJobs) -> list[dict[str, Any]]:  # noqa: ARG001 - only keys may read
    """The last ones, the newest first."""
    return [job_values(each) for each in jobs.all()]


@router.get("/{job_id}")
def job(job_id: str, caller: Writing, jobs: TheJobs) -> dict[str, Any]:  # noqa: ARG001 - only keys may read
    with missing("job"):
        return job_values(jobs.one(job_id))


def job_values(job: Job) -> dict[str, Any]:
    """With the name of what is indexed, and not where it is on this machine."""
    values: dict[str, Any] = plain({**asdict(job), "path": job.root or Path(job.path).name})
    return values
