"""How much each key may upload, and how often in vain: reading takes long where it fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import Depends

from kb.api.dependencies import KB, TheJobs
from kb.api.guards.access import Caller
from kb.api.guards.request_language import current_language
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.serving import ServeConfig
from stores.jobs import Jobs
from stores.registry.uploads import Amount, Uploads
from stores.text.translations import load_translations

_MEGABYTE: Final = 2**20
_RETRY_AFTER: Final = 3600  # seconds; each hour some failures are a day old


def count_failures_left(config: ServeConfig, jobs: Jobs, key: str | None) -> int | None:
    """Return how many more files of a key may be unreadable today, None for any number."""
    if key is None or config.upload_failures_per_day is None:
        return None
    return max(0, config.upload_failures_per_day - jobs.count_unreadable(key))


@dataclass(frozen=True)
class UploadQuota:
    """What a key may upload; nobody without a key is counted."""

    config: ServeConfig
    uploads: Uploads
    jobs: Jobs

    def require_failures_left(self, caller: Caller) -> None:
        """Raises Problem 429 when too many files of the caller failed today."""
        if count_failures_left(self.config, self.jobs, caller.name) == 0:
            raise Problem(
                Code.UPLOADS_FAILED,
                {"most": self.config.upload_failures_per_day},
                headers={"Retry-After": str(_RETRY_AFTER)},
            )

    def keep_files(
        self, caller: Caller, sizes: Mapping[str, int], put: Callable[[sa.Connection], None]
    ) -> None:
        """Count files, by the ids of their documents, as they are put where they stay.

        Raises Problem 413, and what `put` raises.
        """
        megabytes = self.config.upload_mb_per_key
        most = Amount(self.config.upload_files_per_key, megabytes and megabytes * _MEGABYTE)
        if there := self.uploads.keep(caller.name, sizes, most, put):
            raise _make_no_room(there, most)


def _make_no_room(there: Amount, most: Amount) -> Problem:
    megabytes = (there.bytes or 0) / _MEGABYTE
    texts = load_translations(current_language())
    files = (
        texts.gettext("{n} files of at most {most}")
        if most.files
        else texts.ngettext("{n} file", "{n} files", there.files or 0)
    ).format(n=there.files, most=most.files)
    size = f"{megabytes:.1f} MB"
    if most.bytes:
        text = texts.gettext("{size} of at most {most} MB")
        size = text.format(size=size, most=most.bytes // _MEGABYTE)
    return Problem(Code.NO_ROOM_FOR_FILES, {"files": files, "size": size})


async def open_quota(kb: KB, jobs: TheJobs) -> UploadQuota:
    return UploadQuota(kb.config.serve, Uploads(kb.components.engine), jobs)


TheQuota = Annotated[UploadQuota, Depends(open_quota)]
