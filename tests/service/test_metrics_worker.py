"""A worker process on its own port: its health and its figures, and no door."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.repo.lock import TOP
from tests.support.databases import postgres_database
from tests.support.dsl import variables_for, wait_for
from tests.support.servers import free_port

TOKEN = "not-a-real-metrics-token"


def status(address: str) -> int:
    """The status with which an address answers; 0 where nobody does."""
    try:
        return httpx.get(address, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.postgres
def test_a_worker_tells_its_health_and_figures(tmp_path: Path) -> None:
    """With worker_port set it is ready, is read by Prometheus, takes no events, and leaves at SIGTERM."""
    origin = f"http://127.0.0.1:{(port := free_port())}"
    with FeishuStandIn() as feishu, postgres_database() as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "worker"],
            cwd=tmp_path,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                **variables_for(feishu, folder=tmp_path),
                "PYTHONPATH": str(TOP),
                "DATABASE_URL": url,
                "METRICS_TOKEN": TOKEN,
                "BOT_SERVER_WORKER_PORT": str(port),
                "BOT_LOG_LEVEL": "error",
            },
        )
        try:
            wait_for(lambda: status(f"{origin}/readyz") == 200, timeout=40)
            assert status(f"{origin}/metrics") == 200
            assert httpx.post(f"{origin}/webhook/event", content=b"{}", trust_env=False).status_code == 404
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
    assert code == 0
