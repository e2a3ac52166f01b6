"""How soon honest messages are acknowledged while the webhook, behind the shipped nginx configuration, is attacked.

``python -m tests.benchmarks.door_load``; needs nginx. TLS is left out, and the attacker has an address of its own:
127.0.0.2, where the honest sender is 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import secrets
import selectors
import shutil
import socket
import statistics
import subprocess
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
from bot.sandbox.start import BotConfig, start_process
from tests.repo.lock import TOP
from tests.support.dsl import variables_for
from tests.support.servers import free_port

CONNECTIONS = 1000
"""The ``connections`` of ``[server]`` as shipped."""

SENDERS = 16
"""Connections that send at full rate."""

HONEST_PER_SECOND = 20
ACKNOWLEDGED_WITHIN = 3.0
"""Seconds after which Feishu sends an event again."""

ATTACKER = "127.0.0.2"
MIB = b" " * (1024 * 1024)
HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n"
FORGED = HEAD + b"X-Lark-Request-Timestamp: 1\r\nX-Lark-Request-Nonce: n\r\nX-Lark-Signature: 0\r\n"
NO_LIMITS = {f"BOT_LIMITS_{name}": "0" for name in ("PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH")}

NGINX = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_processes auto;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {snippet}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Connections that are opened, send ``start`` and then ``drip`` once a second, or nothing."""

    size: int
    start: bytes = b""
    drip: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Requests sent one after the other on each connection, as fast as they are answered."""

    request: bytes


MANY = 2 * CONNECTIONS
ATTACKS: Mapping[str, Crowd | Flood | None] = {
    "nobody attacks": None,
    f"{MANY} connections with slow headers": Crowd(size=MANY, start=HEAD + b"X-Slow: ", drip=b"x"),
    f"{MANY} connections with slow bodies": Crowd(size=MANY, start=HEAD + b"Content-Length: 9000\r\n\r\n", drip=b" "),
    f"{CONNECTIONS} connections opened and left": Crowd(size=CONNECTIONS),
    f"{MANY} connections opened and left": Crowd(size=MANY),
    "forged signatures at full rate": Flood(request=FORGED + b"Content-Length: 2\r\n\r\n{}"),
    "1 MiB bodies at full rate, unsigned": Flood(request=HEAD + b"Content-Length: %d\r\n\r\n" % len(MIB) + MIB),
    "1 MiB bodies at full rate, forged": Flood(request=FORGED + b"Content-Length: %d\r\n\r\n" % len(MIB) + MIB),
}


@contextmanager
def nginx(bot_port: int, *, folder: Path) -> Iterator[int]:
    """Runs nginx with the shipped snippet, without TLS, in front of the bot; gives its port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise FileNotFoundError("nginx is needed")
    port = free_port()
    lines = (TOP / "config/deploy/nginx.conf").read_text(encoding="utf-8").splitlines()
    plain = [line for line in lines if not line.strip().startswith(("ssl_", "listen [::]"))]
    snippet = "\n".join(plain).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    snippet = snippet.replace("server 127.0.0.1:8000;", f"server 127.0.0.1:{bot_port};")
    # As root, nginx would leave the folder to a user of its own, who may not enter it.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(user=user, folder=folder, snippet=snippet), encoding="utf-8")
    process = subprocess.Popen([program, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def connect(port: int) -> socket.socket:
    """A connection from the attacker's address."""
    return socket.create_connection(("127.0.0.1", port), 5, source_address=(ATTACKER, 0))


def attack(port: int, what: Crowd | Flood, ready: Stop, stop: Stop) -> None:
    """Attacks until stopped; runs in a process of its own."""
    if isinstance(what, Crowd):
        _crowd(port, what, ready, stop)
        return
    threads = [threading.Thread(target=_flood, args=(port, what.request, stop)) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()


def _crowd(port: int, crowd: Crowd, ready: Stop, stop: Stop) -> None:
    opened: set[socket.socket] = set()
    selector = selectors.DefaultSelector()

    def leave(one: socket.socket) -> None:
        selector.unregister(one)
        opened.discard(one)
        one.close()

    while not stop.is_set():
        ends_at = time.monotonic() + 1.0
        # Closed connections are opened again.
        for key, _ in selector.select(0):
            leave(key.fileobj)  # type: ignore[arg-type]
        while len(opened) < crowd.size and not stop.is_set() and time.monotonic() < ends_at + 5:
            with suppress(OSError):
                one = connect(port)
                one.setblocking(False)  # noqa: FBT003 - the standard library's
                one.send(crowd.start)
                opened.add(one)
                selector.register(one, selectors.EVENT_READ)
        ready.set()
        for one in list(opened) if crowd.drip else []:
            try:
                one.send(crowd.drip)
            except OSError:
                leave(one)
        stop.wait(max(0.0, ends_at - time.monotonic()))


def _flood(port: int, request: bytes, stop: Stop) -> None:
    while not stop.is_set():
        with suppress(OSError), connect(port) as sender:
            while not stop.is_set():
                sender.sendall(request)
                if not sender.recv(65536):
                    break


@contextmanager
def attacked(port: int, what: Crowd | Flood | None) -> Iterator[None]:
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


@dataclass(slots=True)
class Acknowledged:
    """Seconds to each 200; messages that got none, or got it late, are lost."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0

    def send(self, port: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Sends one signed message on a connection of its own, as Feishu does."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower().startswith("x-lark"))
        started = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), ACKNOWLEDGED_WITHIN) as sender:
                sender.sendall(HEAD + lines.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                is_good = sender.recv(12) == b"HTTP/1.1 200"
        except OSError:
            is_good = False
        seconds = time.monotonic() - started
        if is_good and seconds <= ACKNOWLEDGED_WITHIN:
            self.seconds.append(seconds)
        else:
            self.lost += 1


def send_honestly(feishu: FeishuStandIn, port: int, *, seconds: float) -> Acknowledged:
    """Sends signed messages at a steady rate."""
    result = Acknowledged()
    threads = []
    started = time.monotonic()
    for number in range(int(seconds * HONEST_PER_SECOND)):
        time.sleep(max(0.0, started + number / HONEST_PER_SECOND - time.monotonic()))
        threads.append(threading.Thread(target=result.send, args=(port, *feishu.seal(message(feishu)))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return result


def message(feishu: FeishuStandIn) -> dict[str, object]:
    """The event of a prompt from a new sender."""
    unique = secrets.token_hex(8)
    header = {
        "event_id": unique,
        "event_type": "im.message.receive_v1",
        "create_time": str(int(time.time() * 1000)),
        "token": feishu.verification_token,
        "app_id": feishu.app_id,
    }
    content = {"message_type": "text", "content": json.dumps({"text": "一只橘猫"})}
    place = {"message_id": f"om_{unique}", "chat_id": f"oc_{unique}", "chat_type": "p2p"}
    sender = {"sender_type": "user", "sender_id": {"open_id": f"ou_{unique}"}}
    return {"schema": "2.0", "header": header, "event": {"sender": sender, "message": {**place, **content}}}


def run(*, seconds: float, write: Callable[[str], object]) -> int:
    """Measures every attack against a bot of its own, with the settings as shipped; returns how many were lost."""
    write(f"{'milliseconds to the 200 of a message':42}{'p50':>9}{'p99':>9}{'worst':>9}{'lost':>8}\n")
    lost = 0
    for name, what in ATTACKS.items():
        with TemporaryDirectory() as folder, FeishuStandIn() as feishu, GlmStandIn(seconds=20) as glm:
            variables = {**variables_for(feishu, folder=Path(folder)), **NO_LIMITS}
            process, bot_port = start_process(BotConfig(variables=variables, glm=glm.origin))
            try:
                with nginx(bot_port, folder=Path(folder)) as port, attacked(port, what):
                    result = send_honestly(feishu, port, seconds=seconds)
            finally:
                process.kill()
        ordered = sorted(result.seconds) or [float("nan")]
        figures = (statistics.median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1])
        write(f"{name:42}" + "".join(f"{1000 * figure:9.0f}" for figure in figures) + f"{result.lost:8d}\n")
        lost += result.lost
    return lost


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the options and runs; 1 if a message was lost."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.door_load", description=__doc__)
    options.add_argument("--seconds", type=float, default=10.0, help="how long each attack lasts (10)")
    options.add_argument("--quick", action="store_true", help="three seconds each")
    given = options.parse_args(argv)
    return min(1, run(seconds=3.0 if given.quick else given.seconds, write=sys.stdout.write))


if __name__ == "__main__":
    sys.exit(main())
