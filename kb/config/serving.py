"""The sections on the server, on who calls it, and on the workers."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kb.config.section import ApiKey, BaseUrl, Positive, RelativePath, Seconds, Section, Token

Origin = Annotated[str, Field(pattern=r"^https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?$")]


class MetricsConfig(Section):
    """What `/metrics` tells Prometheus."""

    enabled: bool = False
    """Whether it is there."""
    token: Token = None
    """What Prometheus sends (`authorization: {credentials: …}`), best from the environment:
    `${KB_METRICS_TOKEN:}`. It opens nothing else. A key of scope `admin` does as well."""


def _require_network(value: str) -> str:
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            "an IP address such as 10.0.0.7, or a network such as 10.0.0.0/8"
        ) from None
    return value


Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]


class TrustedProxyConfig(Section):
    addresses: Annotated[
        tuple[Annotated[str, AfterValidator(_require_network)], ...], Field(min_length=1)
    ]
    """Where it calls from: addresses or networks."""
    user_header: Header = "X-Forwarded-User"
    """The header that has the user's name."""
    groups_header: Header | None = "X-Forwarded-Groups"
    """The header that has their groups, between commas; `null` for none."""
    scope: Literal["read", "write"] = "read"
    """What its users may do, as the scope of a key."""


class OidcConfig(Section):
    issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    """The provider's address, letter by letter as its tokens have it in `iss`."""
    audience: Annotated[str, Field(min_length=1)]
    """What tokens must be made for, as they have it in `aud`."""
    groups_claim: Annotated[str, Field(min_length=1)] = "groups"
    """The claim with the groups; with dots inside of others: `realm_access.roles`."""
    user_claim: Annotated[str, Field(min_length=1)] = "sub"
    """The claim with the name of the user, which nobody may choose or be given after another."""
    client_id: str | None = None
    """What the provider knows kb by, so that people sign in on the page there; its tokens for this
    name the groups as others do. `/sign-in/provider/back` is where it sends them back to."""
    client_secret: ApiKey = None
    """The secret of that name, from the environment: `${KB_OIDC_SECRET:}`. None where the provider
    takes a public client, which PKCE guards."""
    scopes: tuple[str, ...] = ("openid", "profile")
    """What the provider is asked for; some tell groups only for a scope of their own."""
    scope: Literal["read", "write"] = "read"
    """What its users may do, as the scope of a key."""


class ServeConfig(Section):
    """The server. Limits are of each key that has none of its own."""

    host: str = "127.0.0.1"
    """The address that `kb serve` listens at."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 8080
    """The port that it listens at."""
    public_url: BaseUrl | None = None
    """The address at which people reach the page, for links in answers over `/v1`; `null` for that
    of each request."""
    uploads: RelativePath | None = None
    """A directory that keeps uploaded files, shared by all servers of the database; `null` for the
    database itself, which every server and every backup has."""
    machine: Annotated[str, Field(min_length=1, max_length=190)] | None = None
    """Who sees the indexed directories: jobs for them are done by servers of that name alone.
    Servers that see the same directories at the same paths may share a name; `null` for that of the
    machine."""
    max_upload_mb: Positive = 50
    """The most megabytes of one upload."""
    upload_files_per_key: Positive | None = 5000
    """The most files that a key keeps (then 413, until it removes some); `null` for any number."""
    upload_mb_per_key: Positive | None = 2000
    """The most megabytes that a key keeps, likewise."""
    upload_failures_per_day: Positive | None = 50
    """Files of a key's uploads that may turn out to be unreadable in a day (then 429); `null` for
    any number."""
    requests_per_minute: Positive | None = 600
    """Requests of a key in a minute; `null` for any number."""
    tokens_per_day: Positive | None = None
    """Model tokens of a key in a day; `null` for any number."""
    cors_origins: tuple[Origin, ...] = ()
    """Pages of other sites that may call the server by a key, each by its exact origin, such as
    `https://intranet.example`: small letters, and no path. The token of the start is never for
    them."""
    trusted_proxy: TrustedProxyConfig | None = None
    """A proxy that people sign in to: `{addresses: [10.0.0.7], user_header: X-Forwarded-User,
    groups_header: X-Forwarded-Groups, scope: read}`. Who it names needs no key; from any other
    address these headers are refused, so it must drop those that its clients send."""
    oidc: OidcConfig | None = None
    """A provider of OpenID Connect whose tokens are taken in the place of keys: `{issuer:
    "https://id.example", audience: kb, groups_claim: groups, user_claim: sub, scope: read}`."""
    redis_url: ApiKey = None  # may hold a password
    """Counts the limits of several processes together, with the extra `redis`; without it each
    process counts for itself."""
    metrics: MetricsConfig = MetricsConfig()
    """What `/metrics` tells Prometheus, and whom it takes for that."""
    sign_in_hours: Annotated[int, Field(gt=0, le=8760)] = 12
    """How long who signs in on the page stays signed in, unless their key ends before."""
    share_links: bool = False
    """Whether chats can be shared by links, which show what somebody was told, with its evidence,
    to all who have them, without a key."""
    token: Token = None
    """What callers send while there is no key, better set as `KB_SERVE_TOKEN`; without it each
    start makes a new one."""


class WorkersConfig(Section):
    """Other processes, on any machine, that index besides the one that is asked: `kb worker`."""

    broker: ApiKey = None  # may hold a password
    """Redis or RabbitMQ, by which workers learn of work, with the extra `workers`; best from the
    environment: `${KB_BROKER:}` for `redis://:password@host:6379/0` or `amqp://user:password@host`.
    Without it the process that is asked does everything."""
    queue: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None
    """What the queue of this knowledge base is called at the broker; `null` for `kb-` and the name
    of the database. Where databases of several servers share a broker and a name, it tells them
    apart."""
    dead_after: Seconds = 30
    """Seconds without a sign of life after which the work of a worker is given to another one."""
    give_up_after: Seconds = 600
    """Seconds in which no worker takes anything until a run ends, and says so; what is not indexed
    by then is found by the next one."""
