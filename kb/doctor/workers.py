"""Check whether processes that index for others can be told of it."""

from kb.config.sections import Config
from kb.doctor.check import Check
from stores.errors import KBError
from stores.text.translations import Message


def check_broker(config: Config) -> Check:
    """Check whether workers can be told of what is to be indexed."""
    name = Message("Workers")
    try:
        from kb.workers.broker import make_broker  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        missing = Message("{package} is not installed", package=error.name)
        return Check(name, "fail", missing, "pip install 'mariadb-kb[workers]'")
    broker = make_broker(config)
    try:
        broker.has_messages()
    except KBError as error:
        return Check(name, "fail", str(error))
    answers = Message(
        "the broker answers at {address}, queue {queue}",
        address=broker.address,
        queue=broker.queue,
    )
    return Check(name, "ok", answers)
