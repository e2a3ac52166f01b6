"""What a failed generation keeps of the error that ended it: the words for a person, not the error."""

from __future__ import annotations

from bot.errors import STALLED as STALLED_CODE
from bot.errors import UNKNOWN_OUTCOME as UNKNOWN_OUTCOME_CODE
from bot.errors import (
    UPLOAD_FAILED,
    AuthenticationFailed,
    FeishuAction,
    FeishuError,
    GlmError,
    InsufficientBalance,
    InvalidPrompt,
    InvalidQuality,
    InvalidSize,
    InvalidUserId,
    MissingApiKey,
    NotConnected,
    RateLimited,
    RequestBlocked,
    RequestRejected,
)
from bot.feishu.error_codes import IMAGE_TOO_LARGE
from bot.models import Failure

REPEATED_UNKNOWN = Failure(code=UNKNOWN_OUTCOME_CODE, sentence="failure.repeated_unknown")
"""Two calls were paid for and a crash hid the outcome of both."""

UNKNOWN_OUTCOME = Failure(code=UNKNOWN_OUTCOME_CODE, sentence="failure.unknown_outcome")
"""This program failed while a paid call was under way, so its outcome is not known."""

STALLED = Failure(code=STALLED_CODE, sentence="failure.stalled")
"""The picture was taken up too often without getting further."""

LONGEST_PLATFORM_TEXT = 300

_OF_UPLOAD = {
    FeishuAction.RETRY: "failure.feishu",
    FeishuAction.TELL_ADMIN: "failure.upload_barred",
    FeishuAction.REPORT: "failure.upload_barred",
}
"""The sentence of an upload that was given up; where what was refused was the picture itself, there is another."""

_NOT_BILLED = (
    MissingApiKey,
    InvalidSize,
    InvalidQuality,
    InvalidPrompt,
    InvalidUserId,
    AuthenticationFailed,
    InsufficientBalance,
    RateLimited,
    RequestRejected,
    RequestBlocked,
    NotConnected,
)


def of_glm(error: GlmError) -> Failure:
    """The failure that an error of the GLM API or of the download makes."""
    platform = None
    if error.from_platform:
        parts = [error.provider_code or (str(error.status) if error.status else ""), error.message]
        platform = " ".join(part for part in parts if part)[:LONGEST_PLATFORM_TEXT]
    return Failure(
        code=error.code,
        sentence=error.sentence,
        values=error.values,
        platform=platform,
        roles=tuple(role for role, _ in error.filters),
    )


def may_be_billed(error: GlmError) -> bool:
    """Whether the platform may bill a call that ended so: unless it refused it before any work, or never had it.

    It decides for the team's budget and for a person's day. What the platform bills of a call that it could not finish,
    or that its content filter refused (1301), is documented nowhere.
    """
    return not (error.waits or isinstance(error, _NOT_BILLED))


def of_upload(error: FeishuError) -> Failure:
    """The failure that a refused or impossible upload makes; the picture's link is still shown."""
    sentence = _OF_UPLOAD.get(error.action, "failure.upload")
    if error.code in IMAGE_TOO_LARGE:
        sentence = "failure.image_too_large"
    platform = f"{error.code} {error.message}".strip()[:LONGEST_PLATFORM_TEXT] if error.code else None
    return Failure(code=UPLOAD_FAILED, sentence=sentence, platform=platform)
