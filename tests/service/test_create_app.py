"""The WSGI application under another server than the bot's own."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from bot.app import create_app
from bot.errors import SettingsError
from bot.settings import load
from tests.support.dsl import BotUnderTest, variables_for


def test_any_server_can_take_events_that_another_process_works_on(tmp_path: Path) -> None:
    """The application starts no thread, knows the bot's id from the database, and its messages are answered."""
    with BotUnderTest(folder=tmp_path) as bot:
        threads = threading.active_count()
        app = create_app(load(variables_for(bot.feishu, folder=tmp_path)))
        assert threading.active_count() == threads
        assert app.test_client().get("/readyz").status_code == 200
        with make_server("127.0.0.1", 0, app, threaded=True) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            bot.feishu.webhook_url = f"http://127.0.0.1:{server.server_port}/webhook/event"
            talk = bot.new_user(kind="group")
            talk.wait_for_end(talk.send())
            server.shutdown()
            thread.join()
        assert len(bot.glm.calls) == 1


def test_an_application_that_could_not_authenticate_events_is_not_built() -> None:
    """As ``serve`` does, it names what is missing."""
    with pytest.raises(SettingsError, match="FEISHU_ENCRYPT_KEY: neither it nor"):
        create_app(load({"FEISHU_APP_ID": "cli_a", "FEISHU_APP_SECRET": "not-a-secret"}))
