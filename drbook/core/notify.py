"""`notify:` of a runbook: whom an unattended run tells how it ended, by which words and over which host."""

from abc import abstractmethod
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from drbook.core.events import Mode
from drbook.core.hosts import parse_host
from drbook.core.secretnames import no_secret_in_headers
from drbook.core.targets import SecretRef, SecretRefs
from drbook.core.values import Frozen

Word = Literal[
    "pass",
    "partial",
    "not-exercised",
    "could-not-verify",
    "fail",
    "refused",
    "aborted",
    "in-doubt",
    "needs-human",
    "no-result",
]
"""How a run ended. The words are those of the record; `needs-human` stands for every incident that is left
open for a person, `no-result` for a run that an error ended before there was an outcome."""

BAD: tuple[Word, ...] = (
    "could-not-verify",
    "fail",
    "refused",
    "aborted",
    "in-doubt",
    "needs-human",
    "no-result",
)
"""What is told where a runbook does not say `on:`; what nobody verified is among it."""

_PORTS = {"https": 443, "http": 80}


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine by itself, without asking anybody."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _one_host(text: str) -> str:
    if parse_host(text).graphql is not None:
        raise ValueError("expected HOST or HOST:PORT")
    return text


NotifyHost = Annotated[str, AfterValidator(_one_host)]
"""`HOST` or `HOST:PORT`; without a port that of https, or on loopback every one."""


class NotifyConfig(Frozen):
    """A `notify:` entry. Its address is a secret, so that its host is said beside it: requests go there and
    nowhere else, and the host is all that is shown of it."""

    kind: str
    on: tuple[Word, ...] = Field(default=BAD, min_length=1)
    """The outcomes that are told."""
    modes: tuple[Mode, ...] = Field(default=(Mode.DRILL, Mode.LIVE), min_length=1)
    """The modes that are told of; a dry run only where it stands here."""
    host: NotifyHost

    def wants(self, word: str, mode: Mode) -> bool:
        """Whether it is told of a run of this mode that ended so."""
        return word in self.on and mode in self.modes

    @property
    def place(self) -> str:
        """For people: kind and host."""
        return f"{self.kind} {self.host}"

    @property
    @abstractmethod
    def references(self) -> Mapping[str, str]:
        """Every secret of it: the field and the reference."""


class SlackNotify(NotifyConfig):
    """An incoming webhook of Slack, or of what takes the same requests (Mattermost, Rocket.Chat, Discord's
    `/slack`): https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

    kind: Literal["slack"] = "slack"
    url: SecretRef
    """The webhook's address; whoever knows it may post there."""
    host: NotifyHost = "hooks.slack.com"

    @property
    def references(self) -> Mapping[str, str]:
        return {"url": self.url}


class PagerDutyNotify(NotifyConfig):
    """Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview

    An outcome of `on` triggers an alert, and `pass` resolves it. Each runbook and mode has one alert: a drill
    that passes does not resolve that of a live incident."""

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: SecretRef
    """The integration key of a service."""
    host: NotifyHost = "events.pagerduty.com"
    """`events.eu.pagerduty.com` in the service region EU."""

    PATH: ClassVar[str] = "/v2/enqueue"

    def wants(self, word: str, mode: Mode) -> bool:
        return mode in self.modes and (word == "pass" or word in self.on)

    @property
    def address(self) -> str:
        """Which holds no secret here."""
        scheme = "http" if is_loopback(parse_host(self.host).name) else "https"
        return f"{scheme}://{self.host}{self.PATH}"

    @property
    def references(self) -> Mapping[str, str]:
        return {"routing_key": self.routing_key}


class HttpNotify(NotifyConfig):
    """Any address that takes the facts as JSON."""

    kind: Literal["http"] = "http"
    url: SecretRef
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[Mapping[str, str], BeforeValidator(no_secret_in_headers)] = Field(
        default={}, max_length=20
    )
    secret_headers: SecretRefs = Field(default={}, max_length=20)

    @property
    def references(self) -> Mapping[str, str]:
        return {"url": self.url} | {
            f"secret_headers.{name}": reference for name, reference in self.secret_headers.items()
        }


NOTIFIERS: Mapping[str, type[NotifyConfig]] = {
    "http": HttpNotify,
    "pagerduty": PagerDutyNotify,
    "slack": SlackNotify,
}
"""Kind → configuration model of a `notify:` entry."""


def why_not_there(address: str, host: str) -> str:
    """Why an address may not be sent to for this `host:` of the runbook; empty where it may. The reason never
    repeats the address, of which the path and maybe the host are secret."""
    try:
        parts = urlsplit(address)
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in _PORTS or not name:
        return "it is no http:// or https:// URL"
    if parts.username is not None or parts.password is not None:
        return "it holds a user name or a password"
    if parts.scheme == "http" and not is_loopback(name):
        return "it is http://, which everybody on the way can read; only loopback is reached so"
    wanted = parse_host(host)
    usual = wanted.port or (None if is_loopback(wanted.name) else _PORTS["https"])
    if name != wanted.name or (usual is not None and (port or _PORTS[parts.scheme]) != usual):
        return f"it leads to another host or port than {host}"
    return ""
