"""The log: one line a step, its values by name, its ids throughout."""

from __future__ import annotations

import json
import logging
import sys
import threading

import pytest

from bot.logs import JsonLines, LogRateLimit, RateLimitFilter, TextLines, about
from tests.support.logs import as_served


def record(template: str, *values: object, level: int = logging.INFO) -> logging.LogRecord:
    """A record as a logger makes it."""
    return logging.LogRecord("bot.here", level, __file__, 1, template, values, None)


def text(template: str, *values: object) -> str:
    """A record's words and values as text, without the time."""
    return TextLines().format(record(template, *values)).partition(" ")[2]


def fields(template: str, *values: object) -> dict[str, object]:
    """A record as JSON, without the time."""
    line: dict[str, object] = json.loads(JsonLines().format(record(template, *values)))
    assert str(line.pop("time")).endswith("Z")
    return line


@pytest.mark.parametrize(
    ("template", "values", "line"),
    [
        ("worker started", (), "worker started"),
        ("glm answered status=%d seconds=%.1f", (200, 3.14159), "glm answered status=200 seconds=3.1"),
        ("download failed reason=%s", ("it did not come",), 'download failed reason="it did not come"'),
        ('refused reason="%s" left_out=%d', ("no JSON", 0), 'refused reason="no JSON" left_out=0'),
        ("said platform=%s", ('a "b"\nERROR forged line=1',), 'said platform="a \\"b\\"\\nERROR forged line=1"'),
        ("request %s kind=%s", ("accepted", "images"), "request accepted kind=images"),
        ("answer refused code=%s help=%s", (None, ""), 'answer refused code=None help=""'),
        ("100%% of n=%d", (3,), "100% of n=3"),
        ("half is 50 % here", (), "half is 50 % here"),
        ("two lines\nof a library", (), "two lines of a library"),
        ("asked prompt=%s", ("猫\x1b[31m",), 'asked prompt="猫\\u001b[31m"'),
        ("asked prompt=%s", ("猫\x9b31m",), 'asked prompt="猫\\u009b31m"'),
        ("asked prompt=%s", ("龙\u202egnp.exe",), 'asked prompt="龙\\u202egnp.exe"'),
        ("asked prompt=%s", ("一\u2028ERROR forged",), 'asked prompt="一\\u2028ERROR forged"'),
        ("asked prompt=%s", ("一　二",), 'asked prompt="一　二"'),
        ("lost %s", ("/\x1b]0;a",), "lost /\\u001b]0;a"),
    ],
)
def test_a_line_of_text(template: str, values: tuple[object, ...], line: str) -> None:
    """Words, then key=value; what has a space or a break in it is quoted, so that no value makes a line or a key."""
    assert text(template, *values) == f"INFO bot.here {line}"


def test_a_line_of_json() -> None:
    """The same values stand by their names, numbers as numbers."""
    assert fields("generation %s generation=%s seconds=%.1f posts=%d code=%s", "made", "g1", 2.345, 1, None) == {
        "level": "info",
        "logger": "bot.here",
        "step": "generation made",
        "generation": "g1",
        "seconds": 2.3,
        "posts": 1,
        "code": None,
    }


def test_a_line_of_json_hides_nothing_from_a_terminal() -> None:
    """What a terminal would act on is a code there too, and means the same to who reads the JSON."""
    line = JsonLines().format(record("asked prompt=%s", "龙\u202e\x9b\x7f"))
    assert r"龙\u202e\u009b\u007f" in line
    assert json.loads(line)["prompt"] == "龙\u202e\x9b\x7f"


def test_a_flood_of_lines_of_the_server_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Of what the web server says ten lines a minute are written; the next one tells how many were not."""
    now = [0.0]
    sparing = RateLimitFilter(LogRateLimit(clock=lambda: now[0]))
    told = [record("uncaptured %s", number) for number in range(50)]
    assert [number for number, line in enumerate(told) if sparing.filter(line)] == list(range(10))
    now[0] = 60.0
    after = record("uncaptured %s", "again")
    assert sparing.filter(after)
    assert after.getMessage() == "uncaptured again (left out before: 40)"
    with as_served("debug"):
        for _ in range(50):
            logging.getLogger("waitress").error("uncaptured")
            logging.getLogger("waitress.queue").warning("Task queue depth is %d", 1)
    assert len(caplog.records) == 10


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "websockets.client", "alembic.runtime"])
def test_a_library_that_names_addresses_is_silent(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Signed links and tickets stand in what these say below a warning, however talkative the bot is."""
    with as_served("debug"):
        logging.getLogger(name).info("GET https://pictures.example/a.png?Signature=x")
        logging.getLogger("bot.here").debug("said")
    assert [line.getMessage() for line in caplog.records] == ["said"]


def test_no_value_replaces_what_every_line_has() -> None:
    """A value that is named like the time or the level does not hide it."""
    line = fields("odd level=%s step=%s", "forged", "forged")
    assert (line["level"], line["step"]) == ("info", "odd")


def test_ids_are_on_every_line_of_their_block_and_thread() -> None:
    """Whoever logs within the block carries the ids, the inner ones too, and no other thread does."""
    lines = []
    with about(message_id="om_1", request=None):
        with about(generation="g1"):
            lines.append(text("feishu call=%s", "reply"))
            other = threading.Thread(target=lambda: lines.append(text("elsewhere")))
            other.start()
            other.join()
        lines.append(text("generation done generation=%s", "g2"))
    lines.append(text("after"))
    assert [line.removeprefix("INFO bot.here ") for line in lines] == [
        "feishu message_id=om_1 generation=g1 call=reply",
        "elsewhere",
        "generation done message_id=om_1 generation=g2",
        "after",
    ]


@pytest.mark.parametrize("form", [TextLines(), JsonLines()], ids=["text", "json"])
def test_a_traceback_is_kept(form: logging.Formatter) -> None:
    """An unexpected error shows where it came from, and no sign of it acts; as JSON it stays on its one line."""
    try:
        "gone".encode("\x1b[31m")
    except LookupError:
        broken = record("work broke work=%s", "deliver", level=logging.ERROR)
        broken.exc_info = sys.exc_info()
    said = form.format(broken)
    assert r"LookupError: unknown encoding: \u001b[31m" in said
    assert isinstance(form, TextLines) or "\n" not in said


def test_a_template_of_another_library_is_all_words() -> None:
    """Named placeholders, and arguments that do not fit, are left to the record itself."""
    odd = record("%(a)s is %(b)d")
    odd.args = {"a": "x", "b": 2}
    assert TextLines().format(odd).endswith("INFO bot.here x is 2")
