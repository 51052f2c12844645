"""Every error that kb raises on purpose is a KBError.

KBError
├── ConfigError                 config.yaml or the environment says something impossible
├── StoreError                  the database said no
│   ├── StoreUnavailable        it does not answer
│   ├── ServerIsReadOnly        it answers, and takes no writes
│   ├── UnsupportedServer       it answers, but lacks what kb needs
│   ├── UnsupportedFilter       a metadata filter that has no meaning here
│   ├── InvalidVector           wrong dimension, NaN, infinity or zero
│   ├── ChunkExists             a chunk that was to be new
│   ├── CollectionMismatch      the collection was built with another embedding model
│   ├── RootConflict            a root name that another directory holds
│   ├── TurnUnderWay            a turn of a chat session that is being answered
│   └── VerifiedQueryConflict   a verified query that stands in the way of another, or is another's
├── WorkersUnavailable          no worker takes what is to be indexed
└── EngineError                 the question could not be answered
    ├── ModelUnavailable        the LLM or the embedding model does not answer
    ├── BudgetSpent             the money that models may cost this month is spent
    ├── TooMuchAtOnce           one asker has too much under way already
    ├── UnsafeQuery             a statement that does more than read the allowed tables
    └── QueryFailed             a statement that the business database refused
        └── TookTooLong         one that ran into its time limit

A message says what happened, with which value, and what to do next.
"""


class KBError(Exception):
    """The root of the tree."""


class ConfigError(KBError):
    """config.yaml or the environment says something impossible."""


class WorkersUnavailable(KBError):
    """No worker takes what is to be indexed."""


class StoreError(KBError):
    """The database said no."""


class StoreUnavailable(StoreError):
    """The database does not answer."""


class ServerIsReadOnly(StoreError):
    """The database answers, and takes no writes, as a replica does."""


class UnsupportedServer(StoreError):
    """The database answers, but lacks what kb needs."""


class UnsupportedFilter(StoreError):
    """A metadata filter that has no meaning here."""


class InvalidVector(StoreError):
    """A vector of the wrong dimension, or with NaN, infinity or only zeros."""


class ChunkExists(StoreError):
    """A chunk that was to be new has an id that is stored already."""


class CollectionMismatch(StoreError):
    """The collection was built with another embedding model."""


class RootConflict(StoreError):
    """A root name that another directory holds."""


class TurnUnderWay(StoreError):
    """A turn of a chat session that somebody else is answering."""


class VerifiedQueryConflict(StoreError):
    """A verified query whose name or question another one has, or that belongs to somebody else."""


class EngineError(KBError):
    """The question could not be answered."""


class ModelUnavailable(EngineError):
    """The LLM or the embedding model does not answer as it should."""


class BudgetSpent(EngineError):
    """The money that models may cost this month is spent."""


class TooMuchAtOnce(EngineError):
    """One asker has more under way than leaves room for others."""


class UnsafeQuery(EngineError):
    """A statement that does more, or may do more, than read the allowed tables."""


class QueryFailed(EngineError):
    """A statement that the business database refused or did not finish in time."""


class TookTooLong(QueryFailed):
    """A statement that ran into its time limit."""
