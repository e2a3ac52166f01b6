"""The ``glm-image`` command: makes one image and prints one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import httpx

from bot import __version__
from bot.addresses import parse_proxy
from bot.cli import stdio
from bot.cli.arguments import recipient_id
from bot.cli.atomic_file import AtomicFile
from bot.dotenv import variable
from bot.errors import DownloadFailed, ErrorKind, GlmError, SettingsError
from bot.glm.api import validate_key, validate_prompt, validate_user_id
from bot.glm.client import Downloader, GlmClient, fetch_with_retries
from bot.glm.transport import Allows, GuardedTransport, is_public
from bot.models import GeneratedImage, ImageFile
from bot.options import DEFAULTS, OPTIONS, QUALITIES, Options, check_each
from bot.sizes import DEFAULT_MODEL, MODELS
from bot.timings import DownloadRetries

if TYPE_CHECKING:
    from bot.cli.send import Sender

OK, FAILED, USAGE = 0, 1, 2

KEYS = ("ok", "model", "image_url", "prompt", "size", "quality", "created", "content_filter", "saved_file", "error")
"""The keys of the object, in order; each is always there."""

STDIN = "-"  # the prompt that means standard input
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CLI_DEFAULTS = {name: DEFAULTS[name] for name, option in OPTIONS.items() if option.cli}
_WITHOUT_VALUE = re.compile(r"argument (?:-\w/)?(--[\w-]+): expected one argument")
_CLEAR_LINE = "\r\x1b[K"


def main(
    argv: Sequence[str] | None = None,
    *,
    transport: httpx.BaseTransport | None = None,
    retries: DownloadRetries | None = None,
) -> int:
    """Makes one image and prints its JSON object.

    An image that was made but not saved or not sent still has its URL in the object. An object that standard output
    does not take is written to standard error.

    Returns 0 if the image was made and, where asked, saved and sent; 1 if not, or if the object could not be printed;
    2 for a usage error. ``transport`` replaces the network.
    """
    stdio.prepare()
    result = JsonResult()
    try:
        for number in _SIGNALS:
            signal.signal(number, _interrupt)
        code = _attempt(sys.argv[1:] if argv is None else argv, _Client(result, transport, retries))
        _ignore_signals()
    except KeyboardInterrupt:
        result.fail_interrupted()
        code = FAILED
    if stdio.write_line(sys.stdout, result.line(sys.stdout.encoding)):
        return code
    stdio.write_line(sys.stderr, result.line("ascii"))
    return code or FAILED


def _interrupt(*_: object) -> None:
    # `timeout` sends its signal twice, and the second one must not interrupt the report of the first.
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class JsonResult(dict[str, Any]):
    """The object, filled in step by step, so that a failure leaves what was known by then."""

    def __init__(self) -> None:
        super().__init__({**dict.fromkeys(KEYS), "ok": False, "content_filter": []})
        self.called = False
        """Whether the paid call was started."""

    def fail(self, error: GlmError) -> None:
        """Sets the error, and what the content filter found."""
        self["content_filter"] += [{"role": role, "level": level} for role, level in error.filters]
        facts = {"status": error.status, "provider_code": error.provider_code, "request_id": error.request_id}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        self["error"] = {"code": error.kind.code, "message": error.message, **known}

    def fail_interrupted(self) -> None:
        """Sets the error of a signal, with what it means for the bill."""
        if self["image_url"]:
            message = "Interrupted after the image was made"
        elif self.called:
            message = "Interrupted; an image that was being made may be billed all the same"
        else:
            message = "Interrupted before an image was asked for; nothing is billed"
        self["error"] = {"code": "INTERRUPTED", "message": message}

    def line(self, encoding: str) -> str:
        """The object on one line that ``encoding`` can write."""
        line = json.dumps(self, ensure_ascii=False, separators=(",", ":"))
        try:
            # Bytes that Python passes on as surrogates are read as UTF-8, and other surrogates replaced.
            line = line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        except UnicodeEncodeError:
            line = line.encode("utf-8", "replace").decode()
        try:
            line.encode(encoding)
        except UnicodeEncodeError:
            # JSON can be written in ASCII, which every locale can print.
            return json.dumps(json.loads(line), separators=(",", ":"))
        return line


def _attempt(argv: Sequence[str], client: _Client) -> int:
    """Runs the command and records the outcome in the client's result; returns the exit code."""
    result, args, code = client.result, argparse.Namespace(), USAGE
    try:
        try:
            _parse(argv, args)
        finally:
            prompt = None if args.prompt == STDIN else args.prompt
            result.update(prompt=prompt, model=args.model, size=args.size, quality=args.quality)
        code = FAILED
        _run(args, client)
    except GlmError as error:
        result.fail(error)
        return code
    result["ok"] = True
    return OK


def _run(args: argparse.Namespace, client: _Client) -> None:
    result, key = client.result, _api_key()
    prompt = "" if args.prompt == STDIN else validate_prompt(args.prompt)
    values = {name: getattr(args, name) for name in _CLI_DEFAULTS}
    for name, value in check_each(dict(values)):
        values[name] = value
        if name in KEYS:
            result[name] = value
    options = Options(**values)
    user_id = None if args.user_id is None else validate_user_id(args.user_id)
    if options.model == DEFAULT_MODEL and options.quality != QUALITIES[0]:
        _note(f"the platform documents {QUALITIES[0]} alone for {DEFAULT_MODEL}; {options.quality} is passed on")
    with ExitStack() as stack:
        with _saving(args.save):
            file = stack.enter_context(AtomicFile(args.save)) if args.save else None
        sender = None if args.send is None else _sender(args.send)
        if args.prompt == STDIN:
            # Every other error is reported before somebody types the prompt.
            prompt = validate_prompt(_read_stdin())
        result["prompt"] = prompt
        image, seconds = client.generate(prompt, options, key=key, user_id=user_id)
        if file is None and sender is None:
            return
        content = client.download(image.url, f"for {args.send}" if file is None else f"to {args.save}")
        if file is not None:
            with _saving(args.save):
                file.write(content.content)
            result["saved_file"] = file.path
            given = os.path.splitext(args.save)[1].lower().replace(".jpeg", ".jpg")  # noqa: PTH122
            if given not in ("", content.suffix):
                _note(f"{file.path} holds {content.format} data, whose suffix is {content.suffix}")
        if sender is not None:
            sender.send(prompt, options, image, content, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Client:
    """The calls to the platform, with the seconds on the terminal."""

    result: JsonResult
    transport: httpx.BaseTransport | None
    retries: DownloadRetries | None

    def generate(self, prompt: str, options: Options, *, key: str, user_id: str | None) -> tuple[GeneratedImage, float]:
        """Makes the paid call; returns the image and the duration in seconds."""
        started_at = time.monotonic()
        client = GlmClient(api_key=key, transport=self.transport or _network())
        with closing(client), _progress(f"Generating with {options.model}"):
            self.result.called = True
            image = client.generate(prompt, options=options, user_id=user_id)
        findings = list(map(asdict, image.findings))
        self.result.update(image_url=image.url, created=image.created, content_filter=findings)
        return image, time.monotonic() - started_at

    def download(self, url: str, purpose: str) -> ImageFile:
        """Downloads the image from a link that the platform has just given."""
        try:
            downloader = Downloader(transport=self.transport or _network(allows=is_public))
            with closing(downloader), _progress("Downloading"):
                return fetch_with_retries(
                    lambda: downloader.fetch(url),
                    link_age=lambda: 0.0,
                    retries=self.retries or DownloadRetries(),
                    stopped_in=threading.Event().wait,
                )
        except DownloadFailed as error:
            message = f"Failed to download image {purpose}: {error.message}"
            raise DownloadFailed(message, status=error.status) from error


def _network(*, allows: Allows | None = None) -> GuardedTransport:
    """The network, through the proxy of ``BOT_NETWORK_PROXY`` if it is set; ``bot.toml`` is not read here."""
    try:
        return GuardedTransport(allows=allows, proxy=parse_proxy(variable("BOT_NETWORK_PROXY")))
    except (ValueError, SettingsError) as error:
        raise GlmError(f"BOT_NETWORK_PROXY: {error}", ErrorKind.NOT_CONNECTED) from error


def _api_key() -> str:
    try:
        return validate_key(variable("ZHIPU_API_KEY"))
    except SettingsError as error:
        raise GlmError(f"ZHIPU_API_KEY cannot be read: {error}", ErrorKind.MISSING_API_KEY) from error


def _read_stdin() -> str:
    reason = "is closed"
    try:
        if sys.stdin is not None:
            return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    raise GlmError(f"Invalid prompt: standard input {reason}", ErrorKind.INVALID_PROMPT)


@contextmanager
def _saving(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DownloadFailed(f"Failed to download image to {path}: {error.strerror or error}") from error


def _sender(recipient: str) -> Sender:
    """Built before anything is paid, so that missing settings are reported before."""
    try:
        # The settings take a third of a second to load, and are useless without these two.
        missing = [name for name in ("FEISHU_APP_ID", "FEISHU_APP_SECRET") if not variable(name)]
        if not missing:
            from bot.cli.send import Sender  # noqa: PLC0415 - most runs send nothing
            from bot.settings import load  # noqa: PLC0415

            return Sender(recipient, load())
        reason = "; ".join(f"{name}: is not set, and --send needs it" for name in missing)
    except SettingsError as error:
        reason = str(error)
    raise GlmError(f"Failed to send the image to {recipient}: {reason}. No image was made", ErrorKind.SEND_FAILED)


def _note(line: str) -> None:
    stdio.write_line(sys.stderr, f"glm-image: {line}")


@contextmanager
def _progress(label: str) -> Iterator[None]:
    """Shows the elapsed seconds on standard error while it is a terminal, and clears the line at the end."""
    done = threading.Event()
    started_at = time.monotonic()

    def count() -> None:
        with suppress(OSError):
            while True:
                seconds = f"{_CLEAR_LINE}{label}: {time.monotonic() - started_at:.0f} s"
                print(seconds, end="", file=sys.stderr, flush=True)
                if done.wait(1):
                    break
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=count, name="progress", daemon=True)
    if sys.stderr.isatty():
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread.is_alive():
            thread.join()


def _parse(argv: Sequence[str], args: argparse.Namespace) -> None:
    """Parses into ``args`` and fills in the defaults; after an error they hold what was parsed before."""
    parser = _parser()
    parser.parse_args(argv, args)
    for name, value in _CLI_DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.model not in MODELS:
        parser.error(f"argument -m/--model: there is no '{args.model}'; choose from {', '.join(MODELS)}")
    if args.save == "":
        parser.error("argument --save: the file has no name")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if found := _WITHOUT_VALUE.fullmatch(message):
            message += f"; write {found[1]}=… where it begins with a dash"
        raise GlmError(f"{message}. See {self.prog} --help", ErrorKind.REQUEST_REJECTED)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="glm-image",
        allow_abbrev=False,
        description="Makes one image with ZhiPu's GLM-Image API and prints one JSON object. The key is ZHIPU_API_KEY.",
        epilog="Exit codes: 0 success, 1 failure, 2 usage error. The paid call is never repeated.",
    )
    add = parser.add_argument
    add("--version", action="version", version=f"glm-image {__version__}")
    add("-p", "--prompt", type=_decoded, required=True, help="the prompt; - reads it from standard input")
    for name, option in OPTIONS.items():
        if option.cli and option.kind is bool:
            add(*option.cli, dest=name, action="store_const", const=not DEFAULTS[name], help=option.cli_help)
        elif option.cli:
            add(*option.cli, dest=name, type=_decoded, help=option.cli_help)
    add("--user-id", type=_decoded, help="6-128 characters that identify the end user")
    add("--save", metavar="FILE", help="also download the image to this file")
    send = "also send the image as the bot's card to a chat (oc_...) or a person (ou_...); needs the bot's settings"
    add("--send", metavar="CHAT_OR_OPEN_ID", type=recipient_id, help=send)
    return parser


def _decoded(argument: str) -> str:
    """An argument as it was typed; under an ASCII locale Python reads what is not ASCII as surrogates."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument
