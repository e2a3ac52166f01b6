"""The command line that makes one image: a prompt in, one JSON object out."""

from __future__ import annotations

import os
import signal
import sys

from bot.cli import arguments
from bot.cli import stdio as streams
from bot.cli.json_result import KEYS, Answer
from bot.dotenv import variable
from bot.errors import DownloadFailed, FeishuError, GlmError, InvalidPrompt, MissingApiKey, SettingsError
from bot.glm.request import validate_key, validate_prompt, validate_user_id
from bot.options import OPTIONS, QUALITIES, Options, check_each
from bot.sizes import DEFAULT_MODEL

TYPE_CHECKING = False  # the module typing alone would take a fifth of the start
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import httpx

    from bot.cli.atomic_file import AtomicFile
    from bot.cli.send import Result, Sender
    from bot.models import ImageFile
    from bot.settings import Settings
    from bot.timings import DownloadRetries

OK, FAILED, USAGE = 0, 1, 2

_ENDINGS = (signal.SIGINT, signal.SIGTERM)
_JPEG_SUFFIXES = (".jpg", ".jpeg")


def main(
    argv: Sequence[str] | None = None,
    *,
    transport: httpx.BaseTransport | None = None,
    retries: DownloadRetries | None = None,
) -> int:
    """Makes one image and prints the JSON object that tells of it.

    Args:
        argv: the arguments without the program's name; by default the process's own.
        transport: stands between the call and the network, for the sandbox and for tests.
        retries: when a failed download is repeated.

    Returns:
        The exit code: 0 when the image was made and, where asked, saved and sent; 1 when not, or when the object could
        not be printed; 2 where the arguments cannot be read. An image that was made but not saved or not sent still
        has its URL in the object. An object that standard output does not take goes to standard error.
    """
    streams.prepare()
    answer = Answer()
    try:
        for number in _ENDINGS:
            signal.signal(number, _end)
        code = _attempt(argv, answer, transport=transport, retries=retries)
        _end_no_more()
    except KeyboardInterrupt:
        answer.tell_interrupted()
        code = FAILED
    if streams.write_line(sys.stdout, answer.line(sys.stdout.encoding)):
        return code
    streams.write_line(sys.stderr, answer.line("ascii"))
    return code or FAILED


def _end(*_: object) -> None:
    # `timeout` sends its signal twice, and the second one must not end the telling of the first.
    _end_no_more()
    raise KeyboardInterrupt


def _end_no_more() -> None:
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


class _NotSentError(Exception):
    """The card was not sent; the facts are the platform's, where it refused it."""

    def __init__(self, message: str, *, status: int | None = None, provider_code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.provider_code = provider_code


def _attempt(
    argv: Sequence[str] | None,
    answer: Answer,
    *,
    transport: httpx.BaseTransport | None,
    retries: DownloadRetries | None,
) -> int:
    """Does what is asked and tells ``answer`` of it; gives the exit code."""
    asked = arguments.unread()
    try:
        try:
            arguments.read(argv, asked)
        finally:
            prompt = None if asked.prompt == arguments.STDIN else asked.prompt
            answer.tell(prompt=prompt, model=asked.model, size=asked.size, quality=asked.quality)
        _run(asked, answer, transport=transport, retries=retries)
    except arguments.UsageError as error:
        answer.fail("invalid_request", str(error))
        return USAGE
    except GlmError as error:
        answer.fail_with(error)
        return FAILED
    except _NotSentError as error:
        message = f"Failed to send the image to {asked.send}: {error}"
        answer.fail("SEND_FAILED", message, status=error.status, provider_code=error.provider_code)
        return FAILED
    answer.succeed()
    return OK


def _run(
    asked: argparse.Namespace,
    answer: Answer,
    *,
    transport: httpx.BaseTransport | None,
    retries: DownloadRetries | None,
) -> None:
    key = _key()
    from_stdin = asked.prompt == arguments.STDIN
    prompt = "" if from_stdin else validate_prompt(asked.prompt)
    given = {name: getattr(asked, name) for name, option in OPTIONS.items() if option.cli}
    for name, value in check_each(dict(given)):
        given[name] = value
        if name in KEYS:
            answer.tell(**{name: value})
    options = Options(**given)
    user_id = None if asked.user_id is None else validate_user_id(asked.user_id)
    if options.model == DEFAULT_MODEL and options.quality != QUALITIES[0]:
        _note(f"the platform documents {QUALITIES[0]} alone for {DEFAULT_MODEL}; {options.quality} is passed on")
    with _new_file(asked.save) as file:
        sender = None if asked.send is None else _sender(asked.send)
        if from_stdin:
            # Who types the prompt learns of every other fault before.
            prompt = validate_prompt(_typed())
        answer.tell(prompt=prompt)
        # httpx takes longer to load than everything before, so faults found above are answered without it.
        from bot.cli.generate_image import Request, make  # noqa: PLC0415

        request = Request(prompt=prompt, options=options, user_id=user_id)
        answer.called = True
        made, seconds = make(request, key=key, transport=transport)
        answer.tell_image(made)
        if file is None and sender is None:
            return
        image = _fetch(made.url, asked, transport=transport, retries=retries)
        if file is not None:
            answer.tell(saved_file=_save(image, file, asked=asked.save))
        if sender is not None:
            from bot.cli.send import Result  # noqa: PLC0415 - as above

            _send(sender, Result(request=request, made=made, image=image, seconds=seconds))


def _key() -> str:
    try:
        return validate_key(variable("ZHIPU_API_KEY"))
    except SettingsError as error:
        raise MissingApiKey(f"ZHIPU_API_KEY cannot be read: {error}") from error


def _typed() -> str:
    try:
        if sys.stdin is None:
            raise InvalidPrompt("Invalid prompt: standard input is closed")
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidPrompt("Invalid prompt: standard input is not UTF-8 text") from None
    except OSError as error:
        raise InvalidPrompt(f"Invalid prompt: standard input cannot be read: {error.strerror or error}") from error


def _new_file(path: str | None) -> AbstractContextManager[AtomicFile | None]:
    if path is None:
        from contextlib import nullcontext  # noqa: PLC0415 - what is not needed is not loaded

        return nullcontext()
    from bot.cli.atomic_file import AtomicFile  # noqa: PLC0415 - as above

    try:
        return AtomicFile(path)
    except OSError as error:
        raise _not_saved(path, error) from error


def _fetch(
    url: str, asked: argparse.Namespace, *, transport: httpx.BaseTransport | None, retries: DownloadRetries | None
) -> ImageFile:
    from bot.cli.generate_image import fetch  # noqa: PLC0415 - as above

    where = f"for {asked.send}" if asked.save is None else f"to {asked.save}"
    try:
        return fetch(url, transport=transport, retries=retries)
    except DownloadFailed as error:
        raise DownloadFailed(f"Failed to download image {where}: {error.message}", status=error.status) from error


def _save(image: ImageFile, file: AtomicFile, *, asked: str) -> str:
    try:
        file.write(image.content)
    except OSError as error:
        raise _not_saved(asked, error) from error
    given = os.path.splitext(file.path)[1].lower()  # noqa: PTH122 - as there
    if given and given not in (_JPEG_SUFFIXES if image.format == "JPEG" else (image.suffix,)):
        _note(f"{file.path} holds {image.format} data, whose suffix is {image.suffix}")
    return file.path


def _not_saved(path: str, error: OSError) -> DownloadFailed:
    return DownloadFailed(f"Failed to download image to {path}: {error.strerror or error}")


def _sender(recipient: str) -> Sender:
    """What sends the card, made before anything is paid, so that what is not set is told before."""
    try:
        settings = _settings_to_send()
        from bot.cli.send import Sender  # noqa: PLC0415 - as above

        return Sender(recipient, settings)
    except SettingsError as error:
        raise _NotSentError(f"{error}. No image was made") from error


def _settings_to_send() -> Settings:
    # The settings take a third of a second to load, which is of no use without these two.
    if missing := [name for name in ("FEISHU_APP_ID", "FEISHU_APP_SECRET") if not variable(name)]:
        raise SettingsError([f"{name}: is not set, and --send needs it" for name in missing])
    from bot.settings import load  # noqa: PLC0415

    return load()


def _send(sender: Sender, result: Result) -> None:
    from bot.feishu import error_codes as fixes  # noqa: PLC0415 - as above

    try:
        sender.send(result)
    except DownloadFailed as error:
        raise _NotSentError(error.message) from error
    except FeishuError as error:
        message = f"{fixes.describe(error)}. What to do: {fixes.suggest_fix(error, domain=sender.domain)}"
        code = None if error.code is None else str(error.code)
        raise _NotSentError(message, status=error.status, provider_code=code) from error


def _note(line: str) -> None:
    streams.write_line(sys.stderr, f"glm-image: {line}")
