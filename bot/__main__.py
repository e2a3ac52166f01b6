"""The command line: one function a command, each importing what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bot import __version__
from bot.cli import stdio as streams

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells give it."""


def serve(argv: Sequence[str]) -> int:
    """Takes events and, unless told otherwise, does the work too."""
    parser = argparse.ArgumentParser(prog="glm-image-bot serve", description=serve.__doc__)
    parser.add_argument("--no-worker", action="store_true", help="leave the work to `worker` processes (PostgreSQL)")
    given = parser.parse_args(argv)
    return _run_until_stopped("serve", work=not given.no_worker)


def connect(argv: Sequence[str]) -> int:
    """Is serve without a public address: it calls Feishu and takes events over the long connection."""
    parser = argparse.ArgumentParser(prog="glm-image-bot connect", description=connect.__doc__)
    parser.add_argument("--no-worker", action="store_true", help="leave the work to `worker` processes (PostgreSQL)")
    given = parser.parse_args(argv)
    return _run_until_stopped("connect", work=not given.no_worker)


def worker(argv: Sequence[str]) -> int:
    """Does the work of a bot whose events other processes take, over a shared PostgreSQL."""
    argparse.ArgumentParser(prog="glm-image-bot worker", description=worker.__doc__).parse_args(argv)
    return _run_until_stopped("work")


def migrate(argv: Sequence[str]) -> int:
    """Brings the database's schema up to date; serve and worker do so themselves."""
    argparse.ArgumentParser(prog="glm-image-bot migrate", description=migrate.__doc__).parse_args(argv)
    changed = import_module("bot.run").run_migrations()
    print("The schema was brought up to date." if changed else "The schema is up to date.")
    return 0


def sandbox(argv: Sequence[str]) -> int:
    """Runs the whole bot against local stand-ins of Feishu and GLM, with a chat page in the browser."""
    return int(import_module("bot.cli.sandbox").main(argv))


def generate(argv: Sequence[str]) -> int:
    """Makes one image and prints one JSON object."""
    return int(import_module("bot.cli.generate").main(argv))


def check(argv: Sequence[str]) -> int:
    """Tells what is missing or wrong before the first message, and what to do about it."""
    return int(import_module("bot.cli.check").main(argv))


def export(argv: Sequence[str]) -> int:
    """Writes the generations as CSV or JSON lines."""
    return int(import_module("bot.cli.export").main(argv))


def forget(argv: Sequence[str]) -> int:
    """Removes what is stored of a person."""
    return int(import_module("bot.cli.forget").main(argv))


def base(argv: Sequence[str]) -> int:
    """Makes a Feishu Base in which each generation is recorded."""
    return int(import_module("bot.cli.base").main(argv))


_ALL = (serve, connect, worker, sandbox, generate, migrate, check, export, forget, base)
COMMANDS = {command.__name__: command for command in _ALL}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; gives the exit code.

    Ctrl-C gives 130. Where the output is closed, full or no longer read, the code is 1 and the command ends there.
    """
    streams.prepare()
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        streams.write_line(sys.stderr, "Interrupted.")
        return INTERRUPTED
    except OSError as error:
        if not streams.is_of_output(error):
            raise
        streams.silence(sys.stdout)
        # Who reads with head or a pager has seen enough and needs no word of it.
        if not isinstance(error, BrokenPipeError):
            streams.write_line(sys.stderr, f"The output cannot be written: {error.strerror}")
        return 1


def _run_until_stopped(name: str, **options: bool) -> int:
    from bot.errors import DatabaseUnavailable  # noqa: PLC0415
    from bot.stopping import stop_event  # noqa: PLC0415

    # Before anything else: the imports alone take a second.
    stopped = stop_event()
    try:
        import_module("bot.run").__dict__[name](stopped, **options)
    except DatabaseUnavailable:
        if not stopped.is_set():
            raise
    return 0


def _run(given: Sequence[str]) -> int:
    if given and given[0] in COMMANDS:
        return _run_command(given[0], given[1:])
    if given and given[0] == "--version":
        print(f"glm-image-bot {__version__}")
        return 0
    listing = "\n".join(f"  {name:10} {command.__doc__}" for name, command in COMMANDS.items())
    usage = (
        f"usage: glm-image-bot COMMAND [options] | --version\n\n{listing}\n\nCOMMAND --help tells the options of one."
    )
    asked = bool(given) and given[0] in {"-h", "--help"}
    print(usage, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def _run_command(name: str, argv: Sequence[str]) -> int:
    # Imported when a command runs: `generate` has to start nearly as fast as Python itself.
    from bot.errors import DatabaseUnavailable, FeishuUnreachable, SettingsError  # noqa: PLC0415

    try:
        return COMMANDS[name](argv)
    except SettingsError as error:
        print("The settings cannot be used:", *(f"  {fault}" for fault in error.faults), sep="\n", file=sys.stderr)
        return 2
    except DatabaseUnavailable as error:
        print(f"The database does not answer ({error}); see DATABASE_URL (for SQLite, BOT_DATA_DIR).", file=sys.stderr)
        return 1
    except FeishuUnreachable as error:
        print(f"Feishu cannot be reached ({error}); see FEISHU_DOMAIN and the network.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
