"""The command line: dispatches to one function per command, each importing what it needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bot import __version__
from bot.cli import stdio
from bot.errors import DatabaseUnavailable, FeishuUnreachable, SettingsError

INTERRUPTED = 130  # the exit code after Ctrl-C, as in shells
COMMANDS = {
    "setup": "Creates a Feishu app with one scan, asks for the ZhiPu key, and starts the bot.",
    "serve": "Receives events and, without --no-worker, does the work too.",
    "connect": "Like serve, but over an outbound connection: needs no public address.",
    "worker": "Does the work for processes that only receive events, over a shared PostgreSQL.",
    "sandbox": "Runs the whole bot against local stand-ins of Feishu and GLM, with a chat page in the browser.",
    "generate": "Makes one image and prints one JSON object.",
    "migrate": "Migrates the database schema; serve and worker do so too.",
    "check": "Reports missing or wrong configuration, each with its fix.",
    "config": "Copies the shipped configuration to a folder of your own.",
    "export": "Writes the generations as CSV or JSON lines.",
    "forget": "Deletes everything stored about a person.",
    "base": "Creates a Feishu Base to which every generation is exported.",
}


def main() -> int:
    """Runs the command that the first argument names; returns the exit code, 1 if the output cannot be written."""
    stdio.prepare()
    try:
        try:
            return _dispatch(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        stdio.write_line(sys.stderr, "Interrupted.")
        return INTERRUPTED
    except OSError as error:
        if not stdio.is_of_output(error):
            raise
        stdio.silence(sys.stdout)
        # Readers such as head, or a pager, have seen enough.
        if not isinstance(error, BrokenPipeError):
            stdio.write_line(sys.stderr, f"The output cannot be written: {error.strerror}")
        return 1


def _dispatch(argv: Sequence[str]) -> int:
    if argv and argv[0] in COMMANDS:
        return _run(argv[0], argv[1:])
    if argv and argv[0] == "--version":
        print(f"glm-image-bot {__version__}")
        return 0
    asked = bool(argv) and argv[0] in {"-h", "--help"}
    listing = "\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items())
    usage = f"usage: glm-image-bot COMMAND [options] | --version\n\n{listing}\n\nCOMMAND --help shows its options."
    print(usage, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def _run(name: str, argv: Sequence[str]) -> int:
    try:
        if name in ("serve", "connect", "worker"):
            return _run_until_stopped(name, argv)
        return _migrate(argv) if name == "migrate" else int(import_module(f"bot.cli.{name}").main(argv))
    except SettingsError as error:
        print("The settings are invalid:", *(f"  {line}" for line in error.faults), sep="\n", file=sys.stderr)
        return 2
    except DatabaseUnavailable as error:
        print(f"The database does not answer ({error}); see DATABASE_URL (for SQLite, BOT_DATA_DIR).", file=sys.stderr)
        return 1
    except FeishuUnreachable as error:
        print(f"Feishu cannot be reached ({error}); see FEISHU_DOMAIN and the network.", file=sys.stderr)
        return 1


def _run_until_stopped(name: str, argv: Sequence[str]) -> int:
    # `generate` has to start nearly as fast as Python itself, and does without what this brings.
    from bot.background import StopEvent  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog=f"glm-image-bot {name}", description=COMMANDS[name])
    if name != "worker":
        leave = "leave the work to `worker` processes (PostgreSQL)"
        parser.add_argument("--no-worker", dest="work", action="store_false", help=leave)
    if name == "connect":
        parser.add_argument("--greet", metavar="OPEN_ID", default="", help="send this person the welcome card, once")
    options = vars(parser.parse_args(argv))
    # Before the imports of the bot, which take a second.
    stopped = StopEvent(on_hangup=lambda: None)
    try:
        import_module("bot.run").run(name, stopped, **options)
    except DatabaseUnavailable:
        if not stopped.is_set():
            raise
    return 0


def _migrate(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(prog="glm-image-bot migrate", description=COMMANDS["migrate"]).parse_args(argv)
    migrated = import_module("bot.run").run_migrations()
    print("The schema was migrated." if migrated else "The schema is up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
