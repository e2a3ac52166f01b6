"""Honest messages while the webhook, behind the shipped nginx configuration, is attacked; none may be lost.

Needs nginx. TLS is left out, and the attacker has an address of its own: 127.0.0.2, where the honest sender is
127.0.0.1.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.harness import Figure, deliver, percentile, running_bot
from tests.support.bot_process import NO_LIMITS
from tests.support.servers import free_port

CONNECTIONS = 1000  # the ``connections`` of ``[server]`` as shipped

MANY = 2 * CONNECTIONS
FLOODING = 16  # connections that send at full rate

HONEST_PER_SECOND = 20
ATTACKER = "127.0.0.2"
CONFIGURATION = Path(__file__).parents[2] / "config/deploy/nginx.conf"
MIB = b" " * (1024 * 1024)
HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"
FORGED = HEAD + b"X-Lark-Request-Timestamp: 1\r\nX-Lark-Request-Nonce: n\r\nX-Lark-Signature: 0\r\n"

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
class Attack:
    """Connections that send ``first`` and then ``drip`` once a second, or ``flood`` as fast as it is answered.

    One that is closed is opened again, a second later unless it floods.
    """

    connections: int
    first: bytes = b""
    drip: bytes = b""
    flood: bytes = b""


ATTACKS = {
    "no attack": Attack(connections=0),
    "connections with slow headers": Attack(connections=MANY, first=HEAD + b"X-Slow: ", drip=b"x"),
    "connections with slow bodies": Attack(connections=MANY, first=HEAD + LENGTH % 9000, drip=b" "),
    "all connections of the bot opened and left": Attack(connections=CONNECTIONS),
    "twice as many opened and left": Attack(connections=MANY),
    "forged signatures at full rate": Attack(connections=FLOODING, flood=FORGED + LENGTH % 2 + b"{}"),
    "1 MiB bodies at full rate, unsigned": Attack(connections=FLOODING, flood=HEAD + LENGTH % len(MIB) + MIB),
    "1 MiB bodies at full rate, forged": Attack(connections=FLOODING, flood=FORGED + LENGTH % len(MIB) + MIB),
}


@contextmanager
def nginx(bot_port: int) -> Iterator[int]:
    """Runs nginx with the shipped configuration, without TLS, in front of the bot; gives its port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise FileNotFoundError("nginx is needed")
    port = free_port()
    lines = CONFIGURATION.read_text(encoding="utf-8").splitlines()
    plain = [line for line in lines if not line.strip().startswith(("ssl_", "listen [::]"))]
    snippet = "\n".join(plain).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    snippet = snippet.replace("server 127.0.0.1:8000;", f"server 127.0.0.1:{bot_port};")
    # As root, nginx would leave the folder to a user of its own, who may not enter it.
    user = "user root;" if os.geteuid() == 0 else ""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(user=user, folder=folder, snippet=snippet), encoding="utf-8")
        process = subprocess.Popen([program, "-c", str(config), "-p", folder], stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def attacked(port: int, attack: Attack) -> Iterator[None]:
    """Attacks from a process of its own for as long as the block lasts."""
    context = multiprocessing.get_context("spawn")
    attacker = context.Process(target=_attack, args=(port, attack), daemon=True)
    attacker.start()
    try:
        # Until the process has begun and its connections are open.
        time.sleep(4 if attack.connections else 0)
        yield
    finally:
        attacker.kill()
        attacker.join()


def _attack(port: int, attack: Attack) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def connect() -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0))
                writer.write(attack.first)
                try:
                    await _use(attack, reader, writer)
                finally:
                    writer.close()
            if not attack.flood:
                await asyncio.sleep(1)

    async def connect_all() -> None:
        await asyncio.gather(*(connect() for _ in range(attack.connections)))

    asyncio.run(connect_all())


async def _use(attack: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Uses a connection until it is closed at the other end."""
    while True:
        writer.write(attack.flood)
        await writer.drain()
        try:
            async with asyncio.timeout(None if attack.flood else 1):
                if not await reader.read(65536):
                    return
        except TimeoutError:
            writer.write(attack.drip)


def measure(*, quick: bool) -> Iterator[Figure]:
    for name, attack in ATTACKS.items():
        with running_bot(seconds=20, variables=NO_LIMITS) as bot, nginx(bot.port) as port, attacked(port, attack):
            requests = bot.prompts(HONEST_PER_SECOND * (3 if quick else 10))
            found = deliver(port, requests, [number / HONEST_PER_SECOND for number in range(len(requests))])
        good = [one for one in found if one is not None]
        yield Figure(what=f"{name}: p99", value=percentile(good or [float("nan")], 0.99))
        yield Figure(what=f"{name}: lost", value=len(found) - len(good), unit="", most=0)
