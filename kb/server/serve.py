"""Running the server: one process, or several on one socket."""

import logging
from functools import partial
from typing import Any, Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from kb.config import Config
from kb.server.app import make_app
from kb.server.connection import BoundedConnection

_GRACE: Final = 300  # seconds that running answers have when the server is to stop
_STARTING: Final = 120  # seconds, after which a process that says nothing is replaced
_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(message)s"},
        "told": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    },
    "handlers": {
        "access": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
        },
        "errors": {"class": "logging.StreamHandler", "formatter": "told"},
    },
    "root": {"level": "WARNING", "handlers": ["errors"]},
    "loggers": {
        "kb.access": {"level": "INFO", "handlers": ["access"], "propagate": False},
        "kb.server.problems": {"level": "INFO"},
        "python_multipart": {"level": "ERROR"},  # of a form that is none the client is told
    },
}


def run(config: Config, host: str, port: int, processes: int) -> None:
    """Serve until a signal says stop; the access log is standard output."""
    settings = uvicorn.Config(
        partial(make_app, config, host=host),
        factory=True,
        lifespan="on",
        http=BoundedConnection,
        host=host,
        port=port,
        workers=processes,
        log_config=_LOGGING,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=75,
        timeout_worker_healthcheck=_STARTING,
    )
    if processes == 1:
        uvicorn.Server(settings).run()
    else:
        Multiprocess(settings, sockets=[settings.bind_socket()]).run()
