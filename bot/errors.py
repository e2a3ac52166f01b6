"""The whole error tree: every failure this program names, and the sentence each one shows to a person.

::

    BotError
    ├── SettingsError              the settings are wrong; lists every fault at once
    ├── EventRejected              the webhook answers 400, 401 or 413 and runs nothing
    ├── DatabaseUnavailable        the database does not answer; the webhook answers 503 and Feishu redelivers
    ├── LeaseLost                  another worker owns this work now; stop before the next side effect
    ├── SendDelayed                a message has to wait for the platform's limits before it goes out
    ├── GlmError                   the image could not be made or fetched
    │   ├── MissingApiKey          MISSING_API_KEY
    │   ├── InvalidSize            INVALID_SIZE
    │   ├── InvalidQuality         INVALID_QUALITY
    │   ├── InvalidPrompt          INVALID_PROMPT
    │   ├── InvalidUserId          INVALID_USER_ID
    │   ├── AuthenticationFailed   authentication_error
    │   ├── InsufficientBalance    insufficient_balance (platform code 1113)
    │   ├── RateLimited            rate_limit_exceeded (1302, 1305, quotas)
    │   ├── ContentRejected        content_filter_violation
    │   ├── RequestRejected        invalid_request
    │   ├── ServerFailed           server_error
    │   │   └── RequestBlocked     server_error, and the platform never had the request
    │   ├── NetworkFailed          NETWORK_ERROR
    │   │   └── NotConnected       NETWORK_ERROR, and nothing was sent
    │   ├── CallTimedOut           TIMEOUT
    │   └── DownloadFailed         DOWNLOAD_FAILED
    └── FeishuError                a call to the Feishu Open Platform failed; says what to do about it
        └── FeishuUnreachable      no answer, or an answer that is not the platform's

``sentence`` is a key of the message catalogues; ``str(error)`` is for logs and never reaches a chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class UserError:
    """Why a message is not carried out: a key of the message catalogues with its placeholders."""

    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)
    command: str | None = None
    """The command that is wrong, by its English name; ``None`` in a prompt."""


UNKNOWN_OUTCOME = "unknown_outcome"
STALLED = "stalled"
UPLOAD_FAILED = "upload_failed"
"""The codes of failures that no error of the GLM platform causes."""


class BotError(Exception):
    """The root of every error that this program raises on purpose."""

    sentence: str = "failure.internal"


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


class SendDelayed(BotError):
    """A message has to wait for so many ``seconds``, or the platform would refuse it for its limits."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.3f} s")
        self.seconds = seconds


class GlmError(BotError):
    """The GLM image API, or the download of its picture, failed.

    Args:
        message: the platform's own message where it sent one, else ours in English.
        sentence: the catalogue key of the sentence for a person, where not the class's own.
        provider_code: the platform's error code as text, such as ``"1302"``; ``status`` is the HTTP status.
        from_platform: whether ``message`` was written by the platform and may be shown to a person.
        waits: whether the call was refused before any work, so that waiting and asking again costs nothing.
        retry_after: the platform's own delay in seconds, where it gave one.
        filters: the content filter's findings as ``(role, level)``; level 0 is the worst, 3 minor.
        values: placeholders of the sentence; ``until``, when a quota is reset, in seconds since 1970; and ``words``,
            for admins only: how an answer begins that is not the platform's.
        request_id: the platform's id of the call, for its support.
    """

    code: str = "server_error"

    def __init_subclass__(cls, *, code: str | None = None, sentence: str | None = None) -> None:
        cls.code, cls.sentence = code or cls.code, sentence or cls.sentence

    def __init__(
        self,
        message: str,
        *,
        sentence: str | None = None,
        provider_code: str | None = None,
        status: int | None = None,
        from_platform: bool = False,
        waits: bool = False,
        retry_after: float | None = None,
        filters: tuple[tuple[str, int], ...] = (),
        values: dict[str, str] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sentence = sentence or type(self).sentence
        self.provider_code = provider_code
        self.status = status
        self.from_platform = from_platform
        self.waits = waits
        self.retry_after = retry_after
        self.filters = filters
        self.values = dict(values or {})
        self.request_id = request_id


class MissingApiKey(GlmError, code="MISSING_API_KEY", sentence="failure.key_missing"):
    """``ZHIPU_API_KEY`` is absent, empty, or holds characters that no key has."""


class InvalidSize(GlmError, code="INVALID_SIZE", sentence="failure.size"):
    """The model cannot make an image of this size."""


class InvalidQuality(GlmError, code="INVALID_QUALITY", sentence="failure.quality"):
    """The quality is neither ``hd`` nor ``standard``."""


class InvalidPrompt(GlmError, code="INVALID_PROMPT", sentence="failure.prompt"):
    """The prompt is empty."""


class InvalidUserId(GlmError, code="INVALID_USER_ID", sentence="failure.internal"):
    """The end user's id is not 6 to 128 characters long."""


class AuthenticationFailed(GlmError, code="authentication_error", sentence="failure.key_refused"):
    """The platform refused the key or the account."""


class InsufficientBalance(GlmError, code="insufficient_balance", sentence="failure.balance"):
    """The account has no balance left (1113)."""


class RateLimited(GlmError, code="rate_limit_exceeded", sentence="failure.rate_limit"):
    """The account's or the model's limit refused the call; ``waits``: a later call may pass."""


class ContentRejected(GlmError, code="content_filter_violation", sentence="failure.content"):
    """The content filter refused the prompt or the picture (1301, or level 0 to 1)."""


class RequestRejected(GlmError, code="invalid_request", sentence="failure.request"):
    """The platform found the request invalid (1210 to 1215, 1221, 1222, 1261)."""


class ServerFailed(GlmError):
    """The platform failed, or answered with something that is not an answer."""

    sentence = "failure.server"


class RequestBlocked(ServerFailed):
    """A firewall or proxy on the way to the platform answered in its place, so nothing was made or billed."""


class NetworkFailed(GlmError, code="NETWORK_ERROR", sentence="failure.network"):
    """The platform could not be reached, or the connection broke."""


class NotConnected(NetworkFailed):
    """There was no connection, so nothing was sent that could be billed."""


class CallTimedOut(GlmError, code="TIMEOUT", sentence="failure.timeout"):
    """The platform did not answer within the deadline; whether the image was made is unknown."""


class DownloadFailed(GlmError, code="DOWNLOAD_FAILED", sentence="failure.download"):
    """No image could be fetched; trying again helps if ``transient``, never if ``permanent``, else while it is new."""

    def __init__(
        self,
        message: str,
        *,
        sentence: str | None = None,
        transient: bool = False,
        permanent: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message, sentence=sentence, status=status)
        self.transient = transient
        self.permanent = permanent


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
    REPORT = "a fault in this program: log it, no retry"


class FeishuError(BotError):
    """A call to the Feishu Open Platform failed.

    Args:
        message: the platform's ``msg``, or ours in English where it sent none.
        call: the name of the call, such as ``reply``; ``str(error)`` begins with it.
        code: the platform's ``code``; match on it, never on ``msg``. ``action`` is what to do about it.
        status: the HTTP status; ``log_id`` the platform's id of the call (``X-Tt-Logid``), for its support.
        retry_after: seconds to wait, from ``x-ogw-ratelimit-reset``; ``help_url`` the page on which the admin mends it.
    """

    sentence = "failure.feishu"

    def __init__(
        self,
        message: str,
        *,
        call: str | None = None,
        code: int | None = None,
        action: FeishuAction,
        status: int | None = None,
        log_id: str | None = None,
        retry_after: float | None = None,
        help_url: str | None = None,
    ) -> None:
        super().__init__(f"{call}: {message}" if call else message)
        self.message = message
        self.code = code
        self.action = action
        self.status = status
        self.log_id = log_id
        self.retry_after = retry_after
        self.help_url = help_url


class FeishuUnreachable(FeishuError):
    """Feishu gave no answer, or one that is not the platform's; the call may have been applied.

    A 401, 403 or 407 without a code is the answer of a proxy or gateway in between, which refuses every call.
    """

    def __init__(self, message: str, *, call: str | None = None, status: int | None = None) -> None:
        action = FeishuAction.APP_REFUSED if status in {401, 403, 407} else FeishuAction.RETRY
        super().__init__(message, call=call, action=action, status=status)
