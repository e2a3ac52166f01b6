"""The log: one line per event, its values by name, its ids throughout."""

from __future__ import annotations

import json
import logging

import pytest

from bot.logs import bind_ids, get_logger
from tests.support.logs import as_served, written

log = get_logger("bot.here")


LINES: list[tuple[str, dict[str, object], str]] = [
    ("started", {}, "started"),
    ("GLM answered", {"status": 200, "seconds": 3.1}, "GLM answered status=200 seconds=3.1"),
    ("download failed", {"reason": OSError("it did not come")}, 'download failed reason="it did not come"'),
    ("said", {"platform": 'a "b"\nERROR forged line=1'}, 'said platform="a \\"b\\"\\nERROR forged line=1"'),
    ("rejected", {"code": None, "help": ""}, 'rejected code=None help=""'),
    ("100 % of\nit", {}, "100 % of\\nit"),
    ("asked", {"prompt": "猫\x1b[31m\x9b"}, 'asked prompt="猫\\u001b[31m\\u009b"'),
    ("asked", {"prompt": "龙\u202e一\u2028ERROR"}, 'asked prompt="龙\\u202e一\\u2028ERROR"'),
    ("asked", {"key": "id.hidden"}, "asked key=***"),
]


def test_a_line_of_text_cannot_be_forged_by_a_value() -> None:
    """Nor by a traceback, which follows on lines of its own."""
    with written("bot.here", secrets=("id.hidden",)) as lines, bind_ids():
        for event, values, _ in LINES:
            log.info(event, **values)
    assert [each.partition(" ")[2] for each in lines] == [f"INFO bot.here {line}" for *_, line in LINES]
    with written("bot.here") as lines:
        try:
            "gone".encode("\x1b[31m")
        except LookupError:
            log.exception("task crashed", task="deliver")
    assert lines[0].endswith("ERROR bot.here task crashed task=deliver")
    assert lines[-1] == r"LookupError: unknown encoding: \u001b[31m"


def test_a_flood_of_lines_is_cut_and_libraries_name_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """Ten lines a minute; signed links and tickets are in what libraries log below a warning, whatever our level is."""
    with as_served("debug"):
        for _ in range(50):
            logging.getLogger("waitress").error("uncaptured")
            logging.getLogger("waitress.queue").warning("Task queue depth is %d", 1)
        for name in ("httpx", "httpcore.http11", "websockets.client", "alembic.runtime"):
            logging.getLogger(name).info("GET https://pictures.example/a.png?Signature=x")
        log.debug("said")
    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == "said"


def test_a_line_of_json_has_typed_values_and_escapes_control_characters() -> None:
    values = {"generation": "g1", "seconds": 2.3, "calls": 1, "code": None, "prompt": "龙\u202e\x9b\x7f"}
    with written("bot.here", form="json", secrets=("hidden_key",)) as lines:
        log.info("generation made", **values)
        logging.getLogger("bot.here").warning("of %s", "a library", extra={"status": 200})
        try:
            "gone".encode("hidden_key")
        except LookupError:
            log.exception("task crashed", task="deliver")
    assert r"龙\u202e\u009b\u007f" in lines[0]
    made, library, crashed = map(json.loads, lines)
    assert all(line.pop("time").endswith("Z") for line in (made, library, crashed))
    assert made == {"level": "info", "logger": "bot.here", "event": "generation made", **values}
    assert library == {"level": "warning", "logger": "bot.here", "event": "of a library", "status": 200}
    assert crashed["exception"].endswith("LookupError: unknown encoding: ***")


def test_ids_are_on_every_line_of_their_block() -> None:
    with written("bot.here") as lines:
        with bind_ids(message_id="om_1", request=None):
            with bind_ids(generation="g1"):
                log.info("called", call="reply")
            log.info("done", generation="g2")
        log.info("after")
    said = [" ".join(sorted(line.partition("bot.here ")[2].split())) for line in lines]
    assert said == ["call=reply called generation=g1 message_id=om_1", "done generation=g2 message_id=om_1", "after"]
