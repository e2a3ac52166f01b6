"""Secrets are rotated in a running process: SIGHUP has it reread them, and no request is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.settings import load
from tests.repo.lock import TOP
from tests.support.dsl import DEADLINE, BotUnderTest, Gate, header_color, variables_for, wait_for

NEW_SECRET, NEW_KEY = "another-not-real-secret", "other.not-a-real-key"


@pytest.fixture
def feishu() -> Iterator[ConnectedStandIn]:
    """Feishu, whose connections are lost and opened again at once."""
    with ConnectedStandIn(delivery=RetrySchedule(ladder=(0.2,) * 600, answer_seconds=DEADLINE)) as feishu:
        feishu.line.client_config = {"ReconnectCount": -1, "ReconnectInterval": 0.1, "ReconnectNonce": 0.05}
        yield feishu


@contextmanager
def connected(feishu: ConnectedStandIn, folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process of ``connect`` whose secrets are in the environment and in ``.env``; gives it and its log."""
    variables = {**variables_for(feishu, folder=folder / "data"), "PYTHONPATH": str(TOP), "PATH": os.environ["PATH"]}
    dotenv(folder, FEISHU_APP_SECRET=feishu.app_secret, ZHIPU_API_KEY="test.not-a-real-key")
    log = folder / "log"
    with log.open("w", encoding="utf-8") as stderr:
        command = [sys.executable, "-m", "bot", "connect"]
        process = subprocess.Popen(command, env=variables, cwd=folder, stdin=-3, stdout=-3, stderr=stderr, text=True)
    try:
        wait_for(lambda: feishu.line.opened == 1)
        yield process, log
    finally:
        process.kill()
        process.wait()


def dotenv(folder: Path, **values: str) -> None:
    """Writes ``.env``."""
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    (folder / ".env").write_text(text, encoding="utf-8")


def hang_up(process: subprocess.Popen[str], log: Path, *, words: str) -> None:
    """Sends SIGHUP and waits for what the process says about it."""
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: words in log.read_text(encoding="utf-8"))


def test_a_hangup_rereads_the_secrets(feishu: ConnectedStandIn, tmp_path: Path) -> None:
    """The next connection is made with the secret that was changed in ``.env``, and neither secret is in the log."""
    with connected(feishu, tmp_path) as (process, log):
        feishu.line.app_secret = NEW_SECRET
        dotenv(tmp_path, FEISHU_APP_SECRET=NEW_SECRET, ZHIPU_API_KEY=NEW_KEY)
        hang_up(process, log, words="secrets reread changed=ZHIPU_API_KEY,FEISHU_APP_SECRET")
        hang_up(process, log, words="secrets reread changed=none")
        feishu.line.cut()
        wait_for(lambda: feishu.line.opened == 2)
        process.terminate()
        assert process.wait(DEADLINE) == 0
        text = log.read_text(encoding="utf-8")
        assert [secret for secret in (NEW_SECRET, NEW_KEY, "Traceback") if secret in text] == []


@pytest.mark.parametrize("content", ["ZHIPU_API_KEY=密钥\n", "no line of a file of variables\n", None])
def test_a_hangup_without_usable_secrets_changes_nothing(
    feishu: ConnectedStandIn, tmp_path: Path, content: str | None
) -> None:
    """A mistake in the file is logged and the old secrets stay; a terminal that closes does no harm."""
    with connected(feishu, tmp_path) as (process, log):
        if content is None:
            (tmp_path / ".env").unlink()
        else:
            (tmp_path / ".env").write_text(content, encoding="utf-8")
        hang_up(process, log, words="secrets reread changed=none" if content is None else "secrets not reread")
        feishu.line.cut()
        wait_for(lambda: feishu.line.opened == 2)
        process.terminate()
        assert process.wait(DEADLINE) == 0


def test_a_call_in_progress_keeps_its_key(tmp_path: Path) -> None:
    """A paid call that is open while the key is rotated ends with the old one; the next is made with the new one."""
    gate = Gate()
    with BotUnderTest(folder=tmp_path, wrap_glm=gate.around) as bot:
        first, second = bot.new_user(), bot.new_user()
        said = [first.send()]
        wait_for(lambda: gate.calls_waiting == 1)
        said.append(second.send())
        settings = load(variables_for(bot.feishu, folder=tmp_path))
        bot.app.use_secrets(settings.model_copy(update={"api_key": SecretStr(NEW_KEY)}))
        gate.release(2)
        for user, message in zip((first, second), said, strict=True):
            user.wait_for_end(message)
        assert [header_color(user.answers[0]) for user in (first, second)] == ["green", "green"]
        assert [call.key for call in bot.glm.calls] == ["test…", "othe…"]
