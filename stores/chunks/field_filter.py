"""A filter on what LlamaIndex's own filters cannot name, as those of other frameworks can."""

from datetime import datetime
from typing import Final, Literal

from llama_index.core.vector_stores import MetadataFilter

Place = Literal["metadata", "text", "chunk_id"]

# A moment as ISO 8601 writes it, by its parts; with what in one string shows the other two.
MOMENT: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?"
    "(Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
WALL_CLOCK: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?"
OFFSET: Final = "(Z|[+-][0-9]{2}:?[0-9]{2})$"


class FieldFilter(MetadataFilter):
    """A filter on the text or the id of a chunk, on a key inside of others, or on moments.

    `path` are the keys from the outermost in, `key` is how messages name it. With `moment` strings
    are compared as points in time: one without an offset has that of what it is compared with.
    """

    place: Place = "metadata"
    path: tuple[str, ...] = ()
    moment: datetime | None = None
