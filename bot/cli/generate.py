"""The command line that makes one image: a prompt in, one JSON object out."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from bot.cli.recipient import recipient
from bot.errors import DownloadFailed, FeishuError, GlmError, InvalidPrompt, SettingsError
from bot.glm.request import checked_key, checked_prompt, checked_quality, checked_user_id
from bot.glm.sizes import DEFAULT_MODEL, DEFAULT_SIZE, MODELS, QUALITIES, resolve

TYPE_CHECKING = False  # the module typing alone would take a fifth of the start
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    import httpx

    from bot.cli.saving import NewFile
    from bot.cli.send import Sender
    from bot.models import ImageFile, MadeImage, Options

KEYS = (
    "ok",
    "model",
    "image_url",
    "prompt",
    "size",
    "quality",
    "created",
    "content_filter",
    "saved_file",
    "error",
)
"""The keys of the JSON object, in order; each is there in every case."""

OK, FAILED, USAGE = 0, 1, 2

_JPEG_SUFFIXES = (".jpg", ".jpeg")


def main(argv: Sequence[str] | None = None, *, transport: httpx.BaseTransport | None = None) -> int:
    """Makes one image and prints the JSON object that tells of it.

    Args:
        argv: the arguments without the program's name; by default the process's own.
        transport: stands between the call and the network, for the sandbox and for tests.

    Returns:
        The exit code: 0 when the image was made and, where asked, saved and sent; 1 when not; 2 where the arguments
        cannot be read. An image that was made but not saved or not sent still has its URL in the object.
    """
    answer: dict[str, Any] = dict.fromkeys(KEYS) | {"ok": False, "content_filter": []}
    code = FAILED
    try:
        _run(_parser().parse_args(argv), answer, transport=transport)
        code = OK
    except _UsageError as error:
        answer["error"] = {"code": "invalid_request", "message": str(error)}
        code = USAGE
    except GlmError as error:
        answer["content_filter"] += [{"role": role, "level": level} for role, level in error.filters]
        answer["error"] = _told(error)
    except _NotSentError as error:
        answer["error"] = error.told
    except KeyboardInterrupt:
        message = "Interrupted; an image that was being made may be billed all the same"
        answer["error"] = {"code": "INTERRUPTED", "message": message}
    answer["ok"] = code == OK
    _print(answer)
    return code


class _UsageError(Exception):
    """The arguments cannot be read."""


class _NotSentError(Exception):
    """The card was not sent; ``told`` is the ``error`` that says why."""

    def __init__(self, message: str, *, recipient: str, **facts: int | str) -> None:
        super().__init__(message)
        self.told = {"code": "SEND_FAILED", "message": f"Failed to send the image to {recipient}: {message}", **facts}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message}. See {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="glm-image",
        allow_abbrev=False,
        description="Makes one image with ZhiPu's GLM-Image API; prints one JSON object. The key is ZHIPU_API_KEY.",
        epilog="Exit codes: 0 done, 1 failure, 2 usage. Nothing is ever tried twice: each call may be billed.",
    )
    parser.add_argument(
        "-p", "--prompt", required=True, type=_text, help="what to draw; - reads it from standard input"
    )
    parser.add_argument("-m", "--model", type=_text, choices=MODELS, default=DEFAULT_MODEL, help="default: %(default)s")
    parser.add_argument(
        "-s", "--size", type=_text, default=DEFAULT_SIZE, help="WIDTHxHEIGHT or a ratio such as 16:9 (%(default)s)"
    )
    parser.add_argument(
        "-q", "--quality", type=_text, default=QUALITIES[0], help=f"{' or '.join(QUALITIES)} (%(default)s)"
    )
    parser.add_argument("--no-watermark", action="store_true", help="only for accounts that signed the disclaimer")
    parser.add_argument("--user-id", type=_text, help="6-128 characters that stand for the end user")
    parser.add_argument("--save", metavar="FILE", help="also download the image to this file")
    parser.add_argument(
        "--send",
        metavar="CHAT_OR_OPEN_ID",
        type=recipient,
        help="also send the image as the bot's card to a chat (oc_...) or a person (ou_...); needs the bot's settings",
    )
    return parser


def _text(argument: str) -> str:
    """An argument as it was typed; under an ASCII locale Python reads what is not ASCII as surrogates."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument


def _run(asked: argparse.Namespace, answer: dict[str, Any], *, transport: httpx.BaseTransport | None) -> None:
    """Fills ``answer`` step by step, so that a failure leaves what was known by then."""
    answer.update(model=asked.model, size=asked.size, quality=asked.quality)
    answer["prompt"] = None if asked.prompt == "-" else asked.prompt
    key = checked_key(os.environ.get("ZHIPU_API_KEY"))
    answer["prompt"] = asked.prompt = checked_prompt(_read_prompt() if asked.prompt == "-" else asked.prompt)
    answer["size"] = asked.size = resolve(asked.model, asked.size)
    answer["quality"] = asked.quality = checked_quality(asked.quality)
    if asked.user_id is not None:
        checked_user_id(asked.user_id)
    if asked.model == DEFAULT_MODEL and asked.quality != QUALITIES[0]:
        _note(f"the platform documents {QUALITIES[0]} alone for {DEFAULT_MODEL}; {asked.quality} is passed on")
    sender = None if asked.send is None else _sender(asked.send)
    if asked.save is None:
        made, seconds = _make(asked, answer, key=key, transport=transport)
        if sender is not None:
            image = _fetch(made.url, to=asked.send, transport=transport)
            _send(sender, asked, made, image=image, seconds=seconds)
        return
    with _new_file(asked.save) as file:
        made, seconds = _make(asked, answer, key=key, transport=transport)
        image = _fetch(made.url, to=asked.save, transport=transport)
        answer["saved_file"] = _save(image, file, asked=asked.save)
    if sender is not None:
        _send(sender, asked, made, image=image, seconds=seconds)


def _read_prompt() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidPrompt("Invalid prompt: standard input is not UTF-8 text") from None


def _make(
    asked: argparse.Namespace, answer: dict[str, Any], *, key: str, transport: httpx.BaseTransport | None
) -> tuple[MadeImage, float]:
    """Makes the paid call; gives its outcome and how many seconds it took."""
    # httpx takes longer to load than everything before, so faults found above are answered without it.
    from bot.cli.progress import Progress  # noqa: PLC0415
    from bot.glm.client import GlmClient  # noqa: PLC0415

    began = time.monotonic()
    with GlmClient(api_key=key, transport=transport) as client, Progress(f"Generating with {asked.model}"):
        image = client.generate(asked.prompt, options=_options(asked), user_id=asked.user_id)
    answer["image_url"] = image.url
    answer["created"] = image.created
    answer["content_filter"] = [{"role": finding.role, "level": finding.level} for finding in image.findings]
    return image, time.monotonic() - began


def _options(asked: argparse.Namespace) -> Options:
    from bot.models import Options  # noqa: PLC0415 - as above

    return Options(model=asked.model, size=asked.size, quality=asked.quality, watermark=not asked.no_watermark)


def _new_file(path: str) -> NewFile:
    from bot.cli.saving import NewFile  # noqa: PLC0415 - what is not needed is not loaded

    try:
        return NewFile(path)
    except OSError as error:
        raise _not_saved(path, error.strerror or str(error)) from error


def _fetch(url: str, *, to: str, transport: httpx.BaseTransport | None) -> ImageFile:
    from bot.cli.progress import Progress  # noqa: PLC0415 - as above
    from bot.glm.client import Downloader  # noqa: PLC0415

    try:
        with Downloader(transport=transport) as downloader, Progress("Downloading"):
            return downloader.fetch(url)
    except DownloadFailed as error:
        raise _not_saved(to, error.message, status=error.status) from error


def _save(image: ImageFile, file: NewFile, *, asked: str) -> str:
    try:
        file.write(image.content)
    except OSError as error:
        raise _not_saved(asked, error.strerror or str(error)) from error
    saved, given = _text(str(file.path)), file.path.suffix.lower()
    if given and given not in (_JPEG_SUFFIXES if image.format == "JPEG" else (image.suffix,)):
        _note(f"{saved} holds {image.format} data, whose suffix is {image.suffix}")
    return saved


def _not_saved(path: str, reason: str, *, status: int | None = None) -> DownloadFailed:
    return DownloadFailed(f"Failed to download image to {_text(path)}: {reason}", status=status)


def _sender(recipient: str) -> Sender:
    """What sends the card, made before anything is paid, so that what is not set is told before."""
    from bot.cli.send import Sender  # noqa: PLC0415 - the bot itself is loaded for nothing else

    try:
        return Sender(recipient)
    except SettingsError as error:
        raise _NotSentError(f"{error}. No image was made", recipient=recipient) from error


def _send(sender: Sender, asked: argparse.Namespace, made: MadeImage, *, image: ImageFile, seconds: float) -> None:
    from bot.cli.remedies import fix_of  # noqa: PLC0415 - as above
    from bot.cli.send import Result  # noqa: PLC0415

    result = Result(prompt=asked.prompt, options=_options(asked), made=made, image=image, seconds=seconds)
    try:
        sender.send(result)
    except FeishuError as error:
        facts = {"status": error.status, "provider_code": error.code and str(error.code)}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        message = f"{error.message}. What to do: {fix_of(error, domain=sender.domain)}"
        raise _NotSentError(message, recipient=asked.send, **known) from error


def _told(error: GlmError) -> dict[str, str | int]:
    told: dict[str, str | int] = {"code": error.code, "message": error.message}
    if error.status is not None:
        told["status"] = error.status
    if error.provider_code is not None:
        told["provider_code"] = error.provider_code
    return told


def _note(line: str) -> None:
    print(f"glm-image: {line}", file=sys.stderr)


def _print(answer: dict[str, Any]) -> None:
    line = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    try:
        line.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        # JSON can say everything in ASCII, which every locale can print.
        line = json.dumps(answer, separators=(",", ":"))
    print(line, flush=True)
