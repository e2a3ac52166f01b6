"""Every error that this program raises on purpose.

::

    BotError
    ├── SettingsError              the settings are wrong; lists every error
    ├── EventRejected              the webhook answers 400, 401 or 413 and runs nothing
    ├── DatabaseUnavailable        the database does not answer; the webhook answers 503 and Feishu redelivers
    ├── LeaseLost                  another worker owns this work now; stop before the next side effect
    ├── SendDelayed                a message has to wait for the platform's limits before it goes out
    ├── AppNotRegistered           the scan did not create an app
    ├── GlmError                   the image could not be made or fetched; each class has its ``code`` of the JSON
    │   ├── MissingApiKey, InvalidSize, InvalidQuality, InvalidPrompt, InvalidUserId
    │   ├── AuthenticationFailed, InsufficientBalance, RateLimited, ContentRejected, RequestRejected
    │   ├── ServerFailed
    │   │   └── RequestBlocked     the platform never had the request
    │   ├── NetworkFailed
    │   │   └── NotConnected       nothing was sent
    │   └── CallTimedOut, DownloadFailed, SendFailed
    └── FeishuError                a call to the Feishu Open Platform failed; says what to do about it
        └── FeishuUnreachable      no answer, or an answer that is not the platform's

``GlmError.sentence`` is a key of the message catalogues; ``str(error)`` is for logs and never reaches a chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class UserError:
    """Why a message is not carried out: a key of the message catalogues with its placeholders."""

    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)
    command: str | None = None  # the command that is wrong, by its English name; None in a prompt
    offer: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """What was probably meant, for a button: ``prompt``, ``options``, and the ``value`` that was put right, if any."""


FOR_ADMINS = frozenset(
    f"failure.{name}"
    for name in (
        *("key_missing", "key_refused", "key_type", "login", "account", "balance", "spending", "plan", "model"),
        *("blocked", "upload_barred"),
    )
)
"""The sentences of failures that only an admin can mend, and of which admins are told."""

UNKNOWN_OUTCOME = "unknown_outcome"
STALLED = "stalled"
UPLOAD_FAILED = "upload_failed"
"""The codes of failures that no error of the GLM platform causes."""


class BotError(Exception):
    """The root of every error that this program raises on purpose."""


class SettingsError(BotError):
    """The settings cannot be used; each of ``faults`` names a variable or setting and what to do."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class EventRejected(BotError):
    """A request is not an authentic, well-formed event; ``reason`` is logged and holds nothing that was sent."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class DatabaseUnavailable(BotError):
    """The database does not answer; nothing was stored."""


class LeaseLost(BotError):
    """The row is no longer owned by this worker, so nothing more may be done with it."""


class AppNotRegistered(BotError):
    """No app was registered; ``sentence`` says why, ``detail`` is what the platform said."""

    def __init__(self, sentence: str, detail: str) -> None:
        super().__init__(f"{sentence}: {detail}")
        self.sentence = sentence
        self.detail = detail


class SendDelayed(BotError):
    """A message has to wait for ``seconds`` because of the platform's rate limits."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.3f} s")
        self.seconds = seconds


@dataclass(eq=False)
class GlmError(BotError):
    """A call to the GLM images API, or the download of its image, failed."""

    code: ClassVar[str] = "server_error"
    billed: ClassVar[bool] = True  # whether the platform may bill a call that fails so

    message: str  # the platform's own where it sent one, else ours in English
    _: KW_ONLY
    sentence: str = ""  # the class's own, unless given
    provider_code: str | None = None  # the platform's error code, such as "1302"
    status: int | None = None  # of HTTP
    from_platform: bool = False  # whether the platform wrote the message, which may then be shown to a person
    waits: bool = False  # whether the call was rejected before any work, so that a later one costs nothing more
    retry_after: float | None = None  # the platform's own delay in seconds, where it gave one
    filters: tuple[tuple[str, int], ...] = ()  # the findings as (role, level); level 0 is the worst, 3 minor
    values: dict[str, str] = field(default_factory=dict)
    """Placeholders of the sentence: ``until``, when a quota is reset, in seconds since 1970; and for admins ``words``,
    how an answer begins that is not the platform's."""
    request_id: str | None = None  # the platform's id of the call, for its support

    def __init_subclass__(
        cls, *, code: str | None = None, sentence: str | None = None, billed: bool | None = None
    ) -> None:
        cls.code, cls.sentence = code or cls.code, sentence or cls.sentence
        cls.billed = cls.billed if billed is None else billed

    def __post_init__(self) -> None:
        super().__init__(self.message)
        self.sentence = self.sentence or type(self).sentence or "failure.internal"

    @property
    def may_be_billed(self) -> bool:
        """Whether the platform may bill the call: unless it rejected it before any work, or never received it.

        This decides for the budget and for a sender's day. What the platform bills of a call that it could not finish,
        or that its content filter refused (1301), is documented nowhere.
        """
        return self.billed and not self.waits


class MissingApiKey(GlmError, code="MISSING_API_KEY", sentence="failure.key_missing", billed=False):
    """``ZHIPU_API_KEY`` is absent, empty, or holds characters that no key has."""


class InvalidSize(GlmError, code="INVALID_SIZE", sentence="failure.size", billed=False):
    """The model cannot make an image of this size."""


class InvalidQuality(GlmError, code="INVALID_QUALITY", sentence="failure.quality", billed=False):
    """The quality is neither ``hd`` nor ``standard``."""


class InvalidPrompt(GlmError, code="INVALID_PROMPT", sentence="failure.prompt", billed=False):
    """The prompt is empty."""


class InvalidUserId(GlmError, code="INVALID_USER_ID", sentence="failure.internal", billed=False):
    """The end user's id is not 6 to 128 characters long."""


class AuthenticationFailed(GlmError, code="authentication_error", sentence="failure.key_refused", billed=False):
    """The platform rejected the key or the account."""


class InsufficientBalance(GlmError, code="insufficient_balance", sentence="failure.balance", billed=False):
    """The account has no balance left (1113)."""


class RateLimited(GlmError, code="rate_limit_exceeded", sentence="failure.rate_limit", billed=False):
    """The account's or the model's limit rejected the call; ``waits``: a later call may pass."""


class ContentRejected(GlmError, code="content_filter_violation", sentence="failure.content"):
    """The content filter rejected the prompt or the image (1301, or level 0 to 1)."""


class RequestRejected(GlmError, code="invalid_request", sentence="failure.request", billed=False):
    """The platform found the request invalid (1210 to 1215, 1221, 1222, 1261)."""


class ServerFailed(GlmError, sentence="failure.server"):
    """The platform failed, or its answer cannot be understood."""


class RequestBlocked(ServerFailed, billed=False):
    """A firewall or proxy on the way to the platform answered in its place, so nothing was made or billed."""


class NetworkFailed(GlmError, code="NETWORK_ERROR", sentence="failure.network"):
    """The platform could not be reached, or the connection broke."""


class NotConnected(NetworkFailed, billed=False):
    """There was no connection, so nothing was sent that could be billed."""


class CallTimedOut(GlmError, code="TIMEOUT", sentence="failure.timeout"):
    """The platform did not answer within the deadline; whether the image was made is unknown."""


@dataclass(eq=False)
class DownloadFailed(GlmError, code="DOWNLOAD_FAILED", sentence="failure.download"):
    """No image could be downloaded."""

    transient: bool = field(default=False, kw_only=True)
    """Whether a retry may succeed at any time; otherwise only while the link is new, and never if ``permanent``."""
    permanent: bool = field(default=False, kw_only=True)


class SendFailed(GlmError, code="SEND_FAILED", sentence="failure.internal"):
    """The command line could not send an image to a chat."""


class FeishuAction(Enum):
    """What to do about a code of https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code ."""

    RETRY = "wait and repeat the call with the same uuid"
    APP_REFUSED = "Feishu refuses the app, whatever is sent: wait until calls pass again, and alert the admins"
    TELL_ADMIN = "a setting is wrong that only some calls need: log it for the admin, no retry"
    GIVE_UP = "nobody can be reached there: no retry"
    SEND_WITHOUT_QUOTE = "the message replied to is gone: send to the chat instead"
    SEND_OUTSIDE_TOPIC = "the topic is gone: reply outside it"
    SEND_WITHOUT_PROMPT = "the text was refused: send again without the echoed prompt"
    SHORTEN = "the content is too long: send a shorter one"
    SEND_NEW = "this message can no longer be changed: send a new one"
    SEND_PLAIN = "the card was refused: send a plain image and text"
    SHRINK_IMAGE = "the image was refused: make it smaller or send it as a file"
    REPORT = "a bug in this program: log it, no retry"


@dataclass(eq=False)
class FeishuError(BotError):
    """A call to the Feishu Open Platform failed."""

    message: str  # the platform's msg, or ours in English where it sent none
    _: KW_ONLY
    action: FeishuAction
    call: str | None = None  # its name, such as reply
    code: int | None = None  # the platform's; match on it, never on the message
    status: int | None = None
    log_id: str | None = None  # the platform's id of the call (X-Tt-Logid), for its support
    retry_after: float | None = None  # seconds, from x-ogw-ratelimit-reset
    help_url: str | None = None  # the page on which an admin can correct it

    def __post_init__(self) -> None:
        super().__init__(f"{self.call}: {self.message}" if self.call else self.message)


class FeishuUnreachable(FeishuError):
    """Feishu gave no answer, or one that is not the platform's; the call may have been applied.

    A 401, 403 or 407 without a code is the answer of a proxy or gateway in between, which refuses every call.
    """

    def __init__(self, message: str, *, call: str | None = None, status: int | None = None) -> None:
        action = FeishuAction.APP_REFUSED if status in {401, 403, 407} else FeishuAction.RETRY
        super().__init__(message, call=call, action=action, status=status)
