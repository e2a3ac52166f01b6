"""Every error that this program raises on purpose.

::

    BotError
    ├── SettingsError              the settings are wrong; lists every error
    ├── EventRejected              the webhook answers 400, 401 or 413 and runs nothing
    ├── DatabaseUnavailable        the database does not answer; the webhook answers 503 and Feishu redelivers
    ├── LeaseLost                  another worker owns this work now; stop before the next side effect
    ├── SendDelayed                a message has to wait for the platform's limits before it goes out
    ├── AppNotRegistered           the scan did not create an app
    ├── GlmError                   the image could not be made or fetched; its ``kind`` says why
    │   └── DownloadFailed         also says whether to try again
    └── FeishuError                a call to the Feishu Open Platform failed; says what to do about it
        └── FeishuUnreachable      no answer, or an answer that is not the platform's

``GlmError.sentence`` is a key of the message catalogues; ``str(error)`` is for logs and never reaches a chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, kw_only=True)
class UserError:
    """Why a message is not carried out: a key of the message catalogues with its placeholders."""

    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)
    command: str | None = None  # the command that is wrong, by its English name; None in a prompt
    offer: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """What was probably meant, for a button: ``prompt``, ``options``, and the ``value`` that was put right, if any."""


_FOR_ADMINS = "key_missing key_refused key_type login account balance spending plan model blocked upload_barred"
FOR_ADMINS = frozenset(f"failure.{name}" for name in _FOR_ADMINS.split())
"""The sentences of failures that only an admin can mend, and of which admins are told."""

# The codes of failures that no error of the GLM platform causes:
UNKNOWN_OUTCOME = "unknown_outcome"
STALLED = "stalled"
UPLOAD_FAILED = "upload_failed"


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


class ErrorKind(Enum):
    """Why there is no image: the ``code`` of the JSON, the usual sentence, and whether the call may be billed."""

    MISSING_API_KEY = "MISSING_API_KEY", "failure.key_missing", False  # or it has characters that no key has
    INVALID_SIZE = "INVALID_SIZE", "failure.size", False
    INVALID_QUALITY = "INVALID_QUALITY", "failure.quality", False
    INVALID_PROMPT = "INVALID_PROMPT", "failure.prompt", False
    INVALID_USER_ID = "INVALID_USER_ID", "failure.internal", False
    AUTHENTICATION_FAILED = "authentication_error", "failure.key_refused", False  # the key, or the account
    INSUFFICIENT_BALANCE = "insufficient_balance", "failure.balance", False
    RATE_LIMITED = "rate_limit_exceeded", "failure.rate_limit", False
    CONTENT_REJECTED = "content_filter_violation", "failure.content", True  # the prompt, or the image
    REQUEST_REJECTED = "invalid_request", "failure.request", False
    SERVER_FAILED = "server_error", "failure.server", True  # or its answer cannot be understood
    REQUEST_BLOCKED = "server_error", "failure.blocked", False  # by a firewall or proxy, before the platform
    NETWORK_FAILED = "NETWORK_ERROR", "failure.network", True
    NOT_CONNECTED = "NETWORK_ERROR", "failure.network", False  # nothing was sent
    CALL_TIMED_OUT = "TIMEOUT", "failure.timeout", True  # whether the image was made is unknown
    DOWNLOAD_FAILED = "DOWNLOAD_FAILED", "failure.download", True
    SEND_FAILED = "SEND_FAILED", "failure.internal", True  # the command line could not send an image to a chat

    def __init__(self, code: str, sentence: str, billed: bool) -> None:  # noqa: FBT001 - a column of the table
        self.code, self.sentence, self.billed = code, sentence, billed


@dataclass(eq=False)
class GlmError(BotError):
    """A call to the GLM images API, or the download of its image, failed."""

    message: str  # the platform's own where it sent one, else ours in English
    kind: ErrorKind
    _: KW_ONLY
    sentence: str = ""  # that of its kind, unless given
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

    def __post_init__(self) -> None:
        super().__init__(self.message)
        self.sentence = self.sentence or self.kind.sentence

    @property
    def may_be_billed(self) -> bool:
        """Whether the platform may bill the call: unless it rejected it before any work, or never received it.

        This decides for the budget and for a sender's day. What the platform bills of a call that it could not finish,
        or that its content filter refused (1301), is documented nowhere.
        """
        return self.kind.billed and not self.waits


@dataclass(eq=False)
class DownloadFailed(GlmError):
    """No image could be downloaded."""

    kind: ErrorKind = ErrorKind.DOWNLOAD_FAILED
    transient: bool = field(default=False, kw_only=True)
    """Whether a retry may succeed at any time; otherwise only while the link is new, and never if ``permanent``."""
    permanent: bool = field(default=False, kw_only=True)


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
