"""Config -> what has workers index, by its broker."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kb.indexing.indexing_run import Dispatch
from stores.errors import ConfigError
from stores.index_batches import IndexBatches

if TYPE_CHECKING:
    from kb.assembly.components import Components


def make_worker_dispatch(
    used: "Components", say: Callable[[str], None], *, are_copies: bool = False
) -> Dispatch:
    """Make what has workers index the changed files of a run, or the copies of uploaded ones.

    Raises ConfigError without workers.broker or the extra `workers`.
    """
    try:
        from kb.workers.broker import make_broker  # noqa: PLC0415 - an extra
        from kb.workers.dispatch import WorkerDispatch  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"workers.broker needs {error.name}: pip install 'mariadb-kb[workers]'"
        ) from error
    workers = used.config.workers
    return WorkerDispatch(
        IndexBatches(used.engine),
        make_broker(used.config),
        workers.dead_after,
        workers.give_up_after,
        say,
        are_copies,
    )
