"""The command itself, as a person starts it and ends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from tests.repo.lock import TOP
from tests.support.dsl import card_actions, wait_for
from tests.support.proxy import TlsProxy

SECONDS = 60


@contextmanager
def command(variables: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """The running command, with nothing in its environment but these variables; it is killed at the end."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(TOP), **variables}
    arguments = [sys.executable, "-m", "bot", "connect", *options]
    with subprocess.Popen(arguments, env=environment, cwd=variables["BOT_DATA_DIR"], stderr=-1, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def test_it_answers_and_leaves_when_told(feishu: ConnectedStandIn, variables: dict[str, str]) -> None:
    """Without a key of events it answers, and ends with 0 at SIGTERM; its log holds neither secret nor ticket."""
    with command(variables) as running:
        said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="/help")
        wait_for(lambda: len(feishu.replies(said.message_id)) == 1)
        running.terminate()
        _, log = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, log
    assert "shutting down command=connect" in log
    assert [word for word in (feishu.app_secret, "ticket=") if word in log] == []
    assert feishu.line.open == 0


def test_a_refused_secret_is_named(feishu: ConnectedStandIn, variables: dict[str, str]) -> None:
    """A wrong secret ends the command with one sentence that names the variables, and not with further attempts."""
    with command({**variables, "FEISHU_APP_SECRET": "wrong-secret"}) as running:
        _, log = running.communicate(timeout=SECONDS)
    assert running.returncode == 2
    said = log.splitlines()[-1].strip()
    assert said.startswith("FEISHU_APP_ID, FEISHU_APP_SECRET, FEISHU_DOMAIN: Feishu refuses the long connection")
    assert "app secret invalid, code 10014" in said
    assert [word for word in ("wrong-secret", "Traceback") if word in log] == []
    assert feishu.line.asked == 1


def test_it_greets_a_person_once(feishu: ConnectedStandIn, variables: dict[str, str]) -> None:
    """The welcome card comes unasked, with three examples to press, and no other one at a restart."""
    for _ in range(2):
        with command(variables, "--greet", "ou_lin") as running:
            wait_for(lambda: feishu.line.open and feishu.messages)
            said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="/help")
            wait_for(lambda sent=said: len(feishu.replies(sent.message_id)) == 1)  # type: ignore[misc]
            running.terminate()
            _, log = running.communicate(timeout=SECONDS)
        assert running.returncode == 0, log
    unasked = [one for one in feishu.messages if one.sender == feishu.app_id and one.parent_id is None]
    assert [one.chat_id for one in unasked] == ["oc_direct_lin"]
    buttons = [one for one in card_actions(feishu, unasked[0].message_id) if one.tag == "button"]
    assert [(one.value or {})["a"] for one in buttons] == ["example"] * 3


def test_all_of_it_goes_through_the_proxy(feishu: ConnectedStandIn, variables: dict[str, str], tmp_path: Path) -> None:
    """Where the environment names a proxy, the calls, the question for the address and the connection go through it."""
    feishu.line.origin = "wss://line.feishu.test"
    ports = {"open.feishu.test": int(feishu.origin.rpartition(":")[2]), "line.feishu.test": feishu.line.listen()}
    with TlsProxy(ports, folder=tmp_path) as proxy:
        named = {"ALL_PROXY": proxy.url, "NO_PROXY": "localhost,fe80::/10", "SSL_CERT_FILE": str(proxy.authority)}
        with command({**variables, **named, "FEISHU_DOMAIN": "https://open.feishu.test"}) as running:
            said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="/help")
            wait_for(lambda: len(feishu.replies(said.message_id)) == 1)
            running.terminate()
            _, log = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, log
    assert set(proxy.asked) == {"open.feishu.test:443", "line.feishu.test:443"}
