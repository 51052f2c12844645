"""Every problem that the server tells of, by a code that stays when its words change."""

from enum import Enum, unique
from typing import Self

_LATER = "Try again in a moment."
_KEY_REFUSES = "The key does not allow this"
_TOO_MUCH = "Too much at once"
_IN_THE_LOG = "The server's log says why, under this id."


@unique
class Code(Enum):
    """The code, the status, and the English title and detail, whose {places} the values fill.

    {reason} is what the error itself says. The catalogues have both texts by code.
    """

    status: int
    title: str
    detail: str

    def __new__(cls, code: str, status: int, title: str, detail: str = "") -> Self:
        member = object.__new__(cls)
        member._value_ = code
        member.status, member.title, member.detail = status, title, detail
        return member

    # Who calls
    KEY_NEEDED = (
        "key_needed",
        401,
        "A key is needed",
        (
            "Send `Authorization: Bearer KEY`, with a key that is in use; while there is none, "
            "with the token of the address that the server said at its start."
        ),
    )
    KEY_EXPIRED = (
        "key_expired",
        401,
        "A key is needed",
        "The key has expired, on {day} at {time} UTC.",
    )
    KEY_NEEDED_BEHIND_PROXY = (
        "key_needed_behind_proxy",
        401,
        "A key is needed",
        "A proxy lets others call this server: create a key for it.",
    )
    TOO_MANY_WRONG_KEYS = (
        "too_many_wrong_keys",
        429,
        "Too many wrong keys",
        "They came from this address.",
    )
    WRONG_HOST = (
        "wrong_host",
        421,
        "This is not the host",
        "Call this server by localhost or 127.0.0.1.",
    )
    PROXY_NOT_TRUSTED = (
        "proxy_not_trusted",
        403,
        "Headers that only a proxy may send",
        "The headers of serve.trusted_proxy are taken from its addresses alone, each once.",
    )
    PROVIDER_AWAY = (
        "provider_away",
        503,
        "Tokens cannot be looked at",
        "The provider of serve.oidc does not answer. The log of this server says why.",
    )
    NO_PROVIDER = (
        "no_provider",
        404,
        "Nobody signs in by a provider here",
        "serve.oidc.client_id in config.yaml allows it.",
    )
    OTHER_BROWSER = (
        "other_browser",
        403,
        "This sign-in was not begun here, or long ago",
        "Sign in again.",
    )
    CODE_REFUSED = (
        "code_refused",
        502,
        "The provider has not signed you in",
        "Try again; if it happens again, the log of this server says why.",
    )
    USER_WITHOUT_NAME = (
        "user_without_name",
        401,
        "A user needs a name",
        "The name of a user has 1 to 150 visible characters.",
    )
    FOREIGN_SITE = (
        "foreign_site",
        403,
        "Another site may not call",
        "Requests of other sites are refused.",
    )
    KEY_LACKS_SOURCE = "key_lacks_source", 403, _KEY_REFUSES, "It asks from {only} alone."
    KEY_LACKS_SCOPE = (
        "key_lacks_scope",
        403,
        _KEY_REFUSES,
        "It takes a key of scope {scope} or above.",
    )
    KEY_LACKS_VERIFYING = (
        "key_lacks_verifying",
        403,
        _KEY_REFUSES,
        "It takes a key that verifies queries: kb key create NAME --verify",
    )
    KEY_LACKS_COLLECTION = (
        "key_lacks_collection",
        403,
        _KEY_REFUSES,
        "It has no collection {collection}.",
    )
    NO_LINKS = (
        "no_links",
        403,
        "Chats are not shared here",
        "serve.share_links in config.yaml allows links to them.",
    )
    KEY_VERIFIES_ITSELF = (
        "key_verifies_itself",
        422,
        "A key verifies in its own name",
        "Leave verified_by out: it is {name}, the name of the key.",
    )

    # How much is asked
    REQUESTS_SPENT = (
        "requests_spent",
        429,
        _TOO_MUCH,
        "This key may send {most} requests a minute.",
    )
    TOKENS_SPENT = (
        "tokens_spent",
        429,
        _TOO_MUCH,
        "The {most} model tokens that this key has a day are spent.",
    )
    CHARACTERS_SPENT = (
        "characters_spent",
        429,
        _TOO_MUCH,
        "This key may have {most} characters of Markdown read a minute.",
    )
    TOO_MUCH_AT_ONCE = "too_much_at_once", 429, _TOO_MUCH, "{reason}"
    REQUESTS_WAITING = (
        "requests_waiting",
        503,
        "The server is busy",
        "{waiting} requests are waiting for their response. Try again in a moment.",
    )
    ANSWERS_UNDER_WAY = (
        "answers_under_way",
        503,
        "The server is busy",
        "{most} answers are being made. Try again in a moment.",
    )
    NO_THREAD_FREE = (
        "no_thread_free",
        503,
        "The server is busy",
        "Nothing became free within {seconds} seconds. Try again in a moment.",
    )
    LIMITS_UNCOUNTED = (
        "limits_uncounted",
        503,
        "The limits cannot be counted",
        "The store of the limits does not answer.",
    )
    READER_TOO_SLOW = (
        "reader_too_slow",
        408,
        "The answer was not read",
        "Nothing of it was read for {seconds} seconds, so it was broken off. Ask again.",
    )
    CLIENT_GONE = "client_gone", 499, "The client has gone"
    ANSWER_STOPPED = "answer_stopped", 409, "The answer was stopped"
    TURN_NOT_WHOLE = "turn_not_whole", 409, "The answer is not complete", "{reason}"

    # What is named
    NO_SUCH_SESSION = "no_such_session", 404, "There is no such session"
    NO_SUCH_TURN = "no_such_turn", 404, "There is no such turn"
    NO_SUCH_KEY = "no_such_key", 404, "There is no such key"
    NO_SUCH_ITEM = "no_such_item", 404, "No such question waits for a review"
    NO_SUCH_MARK = "no_such_mark", 404, "There is no such mark"
    NO_SUCH_SHARE = "no_such_share", 404, "This link shows nothing, or not any more"
    NO_SUCH_DOCUMENT = "no_such_document", 404, "There is no such document"
    NO_SUCH_PASSAGE = "no_such_passage", 404, "There is no such passage"
    PASSAGE_CHANGED = (
        "passage_changed",
        404,
        "There is no such passage",
        "If there was, it has changed: search anew.",
    )
    NO_SUCH_JOB = "no_such_job", 404, "There is no such job"
    NO_SUCH_QUERY = "no_such_query", 404, "There is no such verified query"
    NO_SUCH_SEARCH = "no_such_search", 404, "There is no such search or passage"
    NO_SUCH_PROFILE = "no_such_profile", 404, "There is no such profile", "There are {known}."
    NO_SUCH_MODEL_CHOICE = (
        "no_such_model_choice",
        404,
        "There is no such model",
        "There are {known}: the names of llm.choices.",
    )
    NO_MODELS_TO_CHOOSE = (
        "no_models_to_choose",
        404,
        "There are no models to choose from",
        "Leave the model out, or have some written as llm.choices in config.yaml.",
    )
    NO_SUCH_MODEL = "no_such_model", 404, "There is no such model"
    NO_SUCH_CHAT_MODEL = "no_such_chat_model", 404, "There is no such model", "There are {known}."
    NO_SUCH_EMBEDDING_MODEL = (
        "no_such_embedding_model",
        404,
        "There is no such model",
        "The embedding model is {known}.",
    )
    NO_SUCH_RESPONSE = (
        "no_such_response",
        404,
        "There is no such response",
        "It was not stored, or was deleted.",
    )
    RESPONSE_CONTINUED = (
        "response_continued",
        409,
        "The conversation has gone on",
        "Go on from the last response of a conversation.",
    )
    TOKENS_UNREADABLE = (
        "tokens_unreadable",
        422,
        "These are no tokens",
        "Send texts, or numbers of the encoding {encoding}.",
    )
    NO_SUCH_TABLE = "no_such_table", 404, "There is no table {names}", "There are {known}."
    FILE_GONE = "file_gone", 404, "The file is gone"
    FILE_CHANGED = (
        "file_changed",
        409,
        "The file was changed",
        "Ask again when it has been indexed again: until then nobody knows for whom it is.",
    )
    FILE_TO_READ_GONE = (
        "file_to_read_gone",
        409,
        "The file is gone",
        "Index its directory again to forget it.",
    )

    # What is sent
    REQUEST_NOT_UNDERSTOOD = (
        "request_not_understood",
        422,
        "The request is not understood",
        "{reason}",
    )
    NO_QUESTION = (
        "no_question",
        422,
        "There is no question",
        "End messages with a text of role user.",
    )
    FORM_NEEDS_MODEL = (
        "form_needs_model",
        422,
        "A language model is needed",
        "Without one, answers are quotes, which no JSON Schema fits. Ask without a form.",
    )
    BAD_CURSOR = (
        "bad_cursor",
        422,
        "There is no such cursor",
        "{cursor} is none. Take that of the last session of the page before.",
    )
    DIMENSIONS_DIFFER = "dimensions_differ", 422, "The dimensions differ", "There are {known}."
    UNSUPPORTED_FILTER = "unsupported_filter", 422, "This filter has no meaning", "{reason}"
    STATEMENT_REFUSED = "statement_refused", 422, "The statement is refused", "{reason}"
    STATEMENT_FAILED = "statement_failed", 422, "The statement failed", "{reason}"
    KEY_NOT_MADE = "key_not_made", 422, "The key cannot be made", "{reason}"
    QUERY_NOT_KEPT = "query_not_kept", 422, "The query cannot be kept", "{reason}"
    QUERY_IN_THE_WAY = (
        "query_in_the_way",
        409,
        "Another verified query is in the way",
        "{reason}",
    )
    NO_TABLES = (
        "no_tables",
        409,
        "No table can be queried",
        "Whoever runs this server names some in tables.include of its configuration.",
    )
    SAME_FILE_NAMES = (
        "same_file_names",
        422,
        "Files have the same name",
        "There are {names}.",
    )
    FILES_NOT_READ = (
        "files_not_read",
        422,
        "Files of this kind are not read",
        "They are {names}.",
    )
    FILE_WITHOUT_NAME = (
        "file_without_name",
        422,
        "The file has no name",
        "Give each file a name.",
    )
    UPLOAD_NOT_NAMED = (
        "upload_not_named",
        422,
        "The file cannot be kept under this name",
        "Of {path} nothing can be kept, or it is too long.",
    )
    FILE_IN_THE_WAY = (
        "file_in_the_way",
        409,
        "A file and a folder cannot have one name",
        "{path} cannot be kept beside {obstacle}.",
    )
    GROUPS_WITHOUT_ACCESS = (
        "groups_without_access",
        422,
        "Groups would close nothing",
        "Send none: everybody sees all documents, as this server has no access configured.",
    )
    FILES_THERE = (
        "files_there",
        409,
        "There are files of these names",
        "Set replace to put new ones in the place of {names}.",
    )
    UPLOADS_FAILED = (
        "uploads_failed",
        429,
        "Too many files could not be read",
        "{most} files of this key failed within a day. Wait, and send files that can be read.",
    )
    NO_ROOM_FOR_FILES = (
        "no_room_for_files",
        413,
        "There is no room for these files",
        "This key keeps {files} and {size}. Remove some of its documents first.",
    )
    RANGE_BEYOND_END = (
        "range_beyond_end",
        416,
        "The file ends before that",
        "It has {bytes} bytes.",
    )
    PATH_NOT_INDEXED = (
        "path_not_indexed",
        422,
        "The path may not be indexed",
        (
            "It is not inside documents.path or a directory that was indexed before. `kb index "
            "PATH` on the server's machine adds one."
        ),
    )
    NOTHING_TO_INDEX = (
        "nothing_to_index",
        409,
        "There is nothing to index",
        "Name a path, or set documents.path.",
    )

    BUDGET_SPENT = (
        "budget_spent",
        402,
        "The budget is spent",
        (
            "What models may cost this month is spent. It begins anew on the first of the next "
            "one; searching goes on."
        ),
    )

    # What fails
    TURN_UNDER_WAY = (
        "turn_under_way",
        409,
        "The turn is being answered",
        "Wait for its answer, or ask with another turn_id.",
    )
    DATABASE_UNAVAILABLE = (
        "database_unavailable",
        503,
        "The database does not answer",
        _LATER,
    )
    DATABASE_READ_ONLY = (
        "database_read_only",
        503,
        "The database is read-only",
        "It can be asked, and nothing in it can be changed at present.",
    )
    MODEL_UNAVAILABLE = (
        "model_unavailable",
        503,
        "The model does not answer",
        f"The language or embedding model failed or sent nothing. {_LATER}",
    )
    WORKERS_UNAVAILABLE = (
        "workers_unavailable",
        503,
        "No worker answers",
        (
            "None took what is to be indexed for as long as workers.give_up_after says. Run kb "
            "worker, or name no workers.broker, and have it indexed again."
        ),
    )
    NO_USABLE_VECTOR = (
        "no_usable_vector",
        502,
        "The embedding model gave no usable vector",
        "It is the model's fault; the server's log says what was wrong, under this id.",
    )
    NOT_SET_UP = (
        "not_set_up",
        409,
        "This server is not set up for that",
        "Its configuration does not allow what was asked; its log says why, under this id.",
    )
    NOT_ANSWERED = (
        "not_answered",
        502,
        "The question could not be answered",
        "Ask again, or in other words.",
    )
    DATABASE_REFUSED = "database_refused", 500, "The database refused", _IN_THE_LOG
    NOT_POSSIBLE = (
        "not_possible",
        409,
        "This is not possible as things are",
        "What was named has changed, or belongs to something else.",
    )
    UNFORESEEN = (
        "unforeseen",
        500,
        "Something failed",
        "The server's log says what, under this id.",
    )

    # What HTTP itself refuses
    BODY_UNREADABLE = "body_unreadable", 400, "Bad Request", "{reason}"
    NO_SUCH_ADDRESS = "no_such_address", 404, "Not Found", "{reason}"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "Method Not Allowed", "{reason}"
    BODY_TOO_SLOW = "body_too_slow", 408, "Request Timeout"
    BODY_TOO_LARGE = (
        "body_too_large",
        413,
        "Request Entity Too Large",
        "It takes at most {megabytes} MB.",
    )
