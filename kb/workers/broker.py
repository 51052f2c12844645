"""The broker, by which workers learn that there is a batch to do: Celery over Redis or RabbitMQ.

What is to be done stands in the database; a message is the name of a batch and nothing else.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from kombu.utils.url import maybe_sanitize_url

from kb.config.sections import Config
from stores.errors import ConfigError, KBError

TASK: Final = "kb.index_batch"
_VISIBILITY: Final = 600  # seconds until Redis tells another worker; by default an hour
_CONNECT: Final = 5  # seconds


class BrokerUnavailable(KBError):
    """The broker does not answer."""


@dataclass(frozen=True)
class Broker:
    """Sends the names of batches to the queue of one knowledge base."""

    url: str
    queue: str

    @property
    def address(self) -> str:
        """Return where the broker is, without a password."""
        return str(maybe_sanitize_url(self.url))

    @cached_property
    def app(self) -> Celery:
        """Return a Celery of this broker alone, which leaves that of a host program as it is."""
        app = Celery("kb", broker=self.url, set_as_current=False)
        app.conf.update(
            accept_content=["json"],
            task_serializer="json",
            task_default_queue=self.queue,
            task_ignore_result=True,
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            worker_enable_remote_control=False,
            worker_redirect_stdouts=False,
            broker_read_url=self.url,  # else CELERY_BROKER_URL of the environment would win
            broker_write_url=self.url,
            broker_connection_timeout=_CONNECT,
            broker_connection_retry_on_startup=True,
            broker_connection_max_retries=None,
            broker_transport_options=self._transport_options,
        )
        return app

    @property
    def _transport_options(self) -> dict[str, Any]:
        if not self.url.startswith(("redis", "sentinel")):
            return {}
        return {
            "visibility_timeout": _VISIBILITY,
            "socket_connect_timeout": _CONNECT,
            "socket_timeout": 30,
        }

    def send(self, run: str, number: int) -> None:
        """Tell the workers of a batch. Raises BrokerUnavailable."""
        try:
            once_more = {"max_retries": 1, "interval_start": 0}  # the broker was started anew
            self.app.send_task(TASK, (run, number), retry=True, retry_policy=once_more)
        except (OperationalError, OSError) as error:
            raise self._explain(error) from error

    def has_messages(self) -> bool:
        """Tell whether messages wait that no worker has taken yet. Raises BrokerUnavailable."""
        try:
            with self.app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=_CONNECT)
                queue = connection.default_channel.queue_declare(self.queue, passive=True)
                return bool(queue.message_count)
        except ChannelError:  # there is no such queue
            return False
        except (OperationalError, OSError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> BrokerUnavailable:
        reason = " ".join(str(error).split()).replace(self.url, self.address)
        return BrokerUnavailable(
            f"The broker at {self.address} does not answer: {reason}. Is it running, and is "
            "workers.broker right?"
        )


def make_broker(config: Config) -> Broker:
    """Make the broker of a configuration. Raises ConfigError where none is named."""
    if config.workers.broker is None:
        raise ConfigError(
            "No broker is named by which workers could be told: set workers.broker in config.yaml, "
            "such as redis://localhost:6379/0."
        )
    return Broker(config.workers.broker.get_secret_value(), config.queue)
