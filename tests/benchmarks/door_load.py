"""How soon honest messages are taken while the door is attacked: ``python -m tests.benchmarks.door_load``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import secrets
import selectors
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event as Stop
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.start import BotConfig, BotProcess
from tests.support.dsl import variables_for

LIMIT = 1000
"""The ``connections`` of ``[server]`` as it is shipped."""

MANY = 2 * LIMIT
SENDERS = 16
"""Connections that send at full rate."""

HONEST_A_SECOND = 20
ALLOWED = 3.0
"""Seconds after which Feishu sends an event again."""

MIB = b" " * (1024 * 1024)
HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
FORGED = HEAD + b"X-Lark-Request-Timestamp: 1\r\nX-Lark-Request-Nonce: n\r\nX-Lark-Signature: 0\r\n"
NO_LIMITS = {f"BOT_LIMITS_{name}": "0" for name in ("PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Connections that are opened, greeted with ``start``, and then given ``drip`` once a second; or left."""

    size: int
    start: bytes = b""
    drip: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Requests that are sent one after the other on each connection, as fast as they are answered."""

    request: bytes


Attack = Crowd | Flood | None

ATTACKS: Mapping[str, Attack] = {
    "nobody attacks": None,
    f"{MANY} connections with slow headers": Crowd(size=MANY, start=HEAD + b"X-Slow: ", drip=b"x"),
    f"{MANY} connections with slow bodies": Crowd(size=MANY, start=HEAD + b"Content-Length: 9000\r\n\r\n", drip=b" "),
    f"{LIMIT} connections opened and left": Crowd(size=LIMIT),
    f"{MANY} connections opened and left": Crowd(size=MANY),
    "forged signatures at full rate": Flood(request=FORGED + b"Content-Length: 2\r\n\r\n{}"),
    "1 MiB bodies at full rate, unsigned": Flood(request=HEAD + b"Content-Length: %d\r\n\r\n" % len(MIB) + MIB),
    "1 MiB bodies at full rate, forged": Flood(request=FORGED + b"Content-Length: %d\r\n\r\n" % len(MIB) + MIB),
}


@dataclass(slots=True)
class Taken:
    """How long each honest message waited for its 200; those that got none, or got it late, are counted."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0

    def line(self, name: str) -> str:
        """A line of the table, in milliseconds."""
        ordered = sorted(self.seconds) or [float("nan")]
        p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        figures = (statistics.median(ordered), p99, ordered[-1])
        return f"{name:42}" + "".join(f"{1000 * figure:9.0f}" for figure in figures) + f"{self.lost:8d}\n"


def attack(port: int, what: Crowd | Flood, ready: Stop, stop: Stop) -> None:
    """Attacks until told to stop; runs in a process of its own."""
    if isinstance(what, Crowd):
        _crowd(port, what, ready, stop)
        return
    threads = [threading.Thread(target=_send_for_ever, args=(port, what.request, stop)) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()


def _crowd(port: int, crowd: Crowd, ready: Stop, stop: Stop) -> None:
    selector = selectors.DefaultSelector()
    while not stop.is_set():
        ends_at = time.monotonic() + 1.0
        # Whoever was closed comes back.
        for key, _ in selector.select(0):
            _leave(selector, key.fileobj)
        while len(selector.get_map()) < crowd.size and not stop.is_set() and time.monotonic() < ends_at + 5:
            with suppress(OSError):
                newcomer = socket.create_connection(("127.0.0.1", port), 5)
                newcomer.setblocking(False)  # noqa: FBT003 - the standard library's
                newcomer.send(crowd.start)
                selector.register(newcomer, selectors.EVENT_READ)
        ready.set()
        for key in list(selector.get_map().values()) if crowd.drip else []:
            try:
                key.fileobj.send(crowd.drip)  # type: ignore[union-attr]
            except OSError:
                _leave(selector, key.fileobj)
        stop.wait(max(0.0, ends_at - time.monotonic()))


def _leave(selector: selectors.BaseSelector, end: object) -> None:
    assert isinstance(end, socket.socket)
    selector.unregister(end)
    end.close()


def _send_for_ever(port: int, request: bytes, stop: Stop) -> None:
    while not stop.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as sender:
            while not stop.is_set():
                sender.sendall(request)
                if not sender.recv(65536):
                    break


@contextmanager
def attacked(port: int, what: Attack) -> Iterator[None]:
    """Attacks for as long as the block lasts."""
    if what is None:
        yield
        return
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    attacker = context.Process(target=attack, args=(port, what, ready, stop), daemon=True)
    attacker.start()
    try:
        ready.wait(30)
        yield
    finally:
        stop.set()
        attacker.join(10)
        attacker.kill()


def send_honestly(feishu: FeishuStandIn, port: int, *, seconds: float) -> Taken:
    """Sends signed messages at a steady rate, each on a connection of its own, as Feishu does."""
    taken = Taken()
    threads = []
    began = time.monotonic()
    for number in range(int(seconds * HONEST_A_SECOND)):
        time.sleep(max(0.0, began + number / HONEST_A_SECOND - time.monotonic()))
        sealed = feishu.seal(message(feishu))
        threads.append(threading.Thread(target=_send_one, args=(port, *sealed, taken)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return taken


def _send_one(port: int, body: bytes, headers: Mapping[str, str], taken: Taken) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower().startswith("x-lark"))
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), ALLOWED) as sender:
            sender.sendall(HEAD + lines.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            good = sender.recv(12) == b"HTTP/1.1 200"
    except OSError:
        good = False
    seconds = time.monotonic() - began
    if good and seconds <= ALLOWED:
        taken.seconds.append(seconds)
    else:
        taken.lost += 1


def message(feishu: FeishuStandIn) -> dict[str, object]:
    """The event of a prompt that somebody new sends."""
    unique = secrets.token_hex(8)
    header = {
        "event_id": unique,
        "event_type": "im.message.receive_v1",
        "create_time": str(int(time.time() * 1000)),
        "token": feishu.verification_token,
        "app_id": feishu.app_id,
    }
    words = {"message_type": "text", "content": json.dumps({"text": "一只橘猫"})}
    place = {"message_id": f"om_{unique}", "chat_id": f"oc_{unique}", "chat_type": "p2p"}
    sender = {"sender_type": "user", "sender_id": {"open_id": f"ou_{unique}"}}
    return {"schema": "2.0", "header": header, "event": {"sender": sender, "message": {**place, **words}}}


def run(*, seconds: float, write: Callable[[str], object]) -> None:
    """Measures every attack against a bot of its own, a real process with the settings as shipped."""
    write(f"{'milliseconds to the 200 of a message':42}{'p50':>9}{'p99':>9}{'worst':>9}{'lost':>8}\n")
    for name, what in ATTACKS.items():
        with TemporaryDirectory() as folder, FeishuStandIn() as feishu, GlmStandIn(seconds=20) as glm:
            variables = {**variables_for(feishu, folder=Path(folder)), **NO_LIMITS}
            process = BotProcess(BotConfig(variables=variables, glm=glm.origin))
            port = process.start()
            try:
                with attacked(port, what):
                    write(send_honestly(feishu, port, seconds=seconds).line(name))
            finally:
                process.end(signal.SIGKILL)


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.door_load", description=__doc__)
    options.add_argument("--seconds", type=float, default=10.0, help="how long each attack lasts (10)")
    options.add_argument("--quick", action="store_true", help="three seconds each")
    given = options.parse_args(argv)
    run(seconds=3.0 if given.quick else given.seconds, write=sys.stdout.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
