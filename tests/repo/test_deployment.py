"""The files with which the bot is run and watched for years."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import Metrics
from bot.models import GenerationView, ModelSnapshot, State, StateSnapshot
from bot.settings import VARIABLES, load
from tests.benchmarks.door_load import NGINX
from tests.repo.lock import TOP
from tests.repo.pages import blocks, program

DEPLOY = TOP / "config" / "deploy"
ALERTS = (TOP / "config" / "metrics" / "alerts.yml").read_text(encoding="utf-8")
DASHBOARD = json.loads((TOP / "config" / "metrics" / "grafana.json").read_text(encoding="utf-8"))
UNITS = sorted(DEPLOY.glob("*.service"))
METRIC = re.compile(r"\b(?:bot|process)_[a-z_]+\b")


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Every name under which the bot tells a figure."""
    reading = StateSnapshot(
        models={"glm-image": ModelSnapshot(waiting=0, oldest_seconds=0, slots_taken=0, slots=1)},
        workers=1,
        month_yuan=0,
        month_images=0,
        month_feishu_calls=0,
        database_bytes=0,
    )
    metrics = Metrics(snapshot=lambda: reading, budget=100)
    metrics.event_answered("im.message.receive_v1", "accepted", 0.1)
    metrics.request_received("images", "accepted")
    metrics.ended("glm-image", [GenerationView(generation_id="g1", state=State.DONE, seconds=3.0)])
    metrics.feishu_called("reply", 0.1, 0)
    metrics.glm_called("glm-image", 3.0, "ok")
    families = text_string_to_metric_families(metrics.text().decode())
    return {sample.name for family in families for sample in family.samples}


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_the_dashboard_asks_for_figures_that_there_are(names: set[str]) -> None:
    """Each name in a panel is one that the bot tells, and each of the bot's own stands in a panel."""
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert asked - names == set()
    own = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in names}
    shown = " ".join(expressions())
    untold = {name for name in own if name.startswith("bot_") and not name.endswith("_created") and name not in shown}
    # Its alert tells it; a line that stands at 1 for years is no picture.
    assert untold == {"bot_database_up"}


def test_six_alerts_ask_for_figures_that_there_are(names: set[str]) -> None:
    rules = ALERTS.split("- alert: ")[1:]
    assert len(rules) == 6
    for rule in rules:
        assert all(f"{key}:" in rule for key in ("expr", "severity", "summary", "action"))
        asked = re.search(r"expr:(.*?)\n\s+(?:for|labels):", rule, re.DOTALL)
        assert asked is not None
        assert set(METRIC.findall(asked[1])) - names == set()


def run(name: str, *arguments: object) -> str:
    """Runs a program in the top folder, which must succeed; gives what it printed."""
    command = [program(name), *map(str, arguments)]
    done = subprocess.run(command, cwd=TOP, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_accepts_the_rules_and_the_configuration_of_the_page(tmp_path: Path) -> None:
    """Each rule fires and stays quiet as ``alerts.test.yml`` says, and the page's configuration has the rules' jobs."""
    run("promtool", "check", "rules", "config/metrics/alerts.yml")
    run("promtool", "test", "rules", "tests/repo/alerts.test.yml")
    (block,) = blocks("config/docs/deployment.md", "Metrics")
    (tmp_path / "glm-image-bot.token").write_text("not-real", encoding="utf-8")
    (tmp_path / "glm-image-bot-alerts.yml").write_text(ALERTS, encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(block.replace("/etc/prometheus", str(tmp_path)), encoding="utf-8")
    run("promtool", "check", "config", tmp_path / "prometheus.yml")
    asked = {job for text in (ALERTS, *expressions()) for job in re.findall(r'job=~?"([^"]+)"', text)}
    jobs = re.findall(r"job_name: (\S+)", block)
    assert jobs == ["glm-image-bot", "glm-image-bot-worker"]
    assert [job for job in asked if not any(re.fullmatch(job, known) for known in jobs)] == []


def test_the_dashboard_fits_its_grid() -> None:
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong with the units, but that the bot is not installed there."""
    units = []
    for unit in UNITS:
        here = re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text(encoding="utf-8"))
        units.append(tmp_path / unit.name)
        units[-1].write_text(here, encoding="utf-8")
    assert run("systemd-analyze", "verify", *units) == ""


def test_a_command_runs_with_the_settings_of_the_service(tmp_path: Path) -> None:
    """The page's `systemd-run` line has options that there are, and for its unit what the service's own says."""
    (block,) = blocks("config/docs/deployment.md", "The other commands, with the service's settings")
    words = shlex.split(block.replace("\\\n", ""))
    options = [word for word in words if word.startswith("--")]
    known = re.findall(r"--[\w-]+", run("systemd-run", "--help"))
    assert [one for one in options if one.partition("=")[0] not in known] == []
    given = [one.removeprefix("--property=") for one in options if one.startswith("--property=")]
    given += [f"Environment={one.removeprefix('--setenv=')}" for one in options if one.startswith("--setenv=")]
    given += [one.replace("--working-directory", "WorkingDirectory") for one in options if "--working" in one]
    service = (DEPLOY / "glm-image-bot.service").read_text(encoding="utf-8").splitlines()
    assert [one for one in given if one not in service] == []
    settings = ["EnvironmentFile", "DynamicUser", "User", "UMask", "StateDirectory", "StateDirectoryMode"]
    assert [one.partition("=")[0] for one in given] == [*settings, *["Environment"] * 2, "WorkingDirectory"]
    command = words[1 + len(options) :]
    assert f"ExecStart={command[0]} serve" in service
    unit = tmp_path / "run.service"
    unit.write_text("\n".join(["[Service]", f"ExecStart={sys.executable}", *given]), encoding="utf-8")
    assert run("systemd-analyze", "verify", unit) == ""


def test_a_unit_names_settings_that_there_are() -> None:
    """Its variables are read by the bot, it runs a command of the bot, and it waits out an open call."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        given = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE))
        assert given.pop("BOT_CONFIG_DIR") == "/etc/glm-image-bot/config"
        settings = load({name: value.replace("%i", "1") for name, value in given.items()})
        assert settings.server.host == "127.0.0.1"
        assert set(given) <= {*VARIABLES, "BOT_SERVER_HOST", "BOT_SERVER_WORKER_PORT"}
        assert re.search(r"^ExecStart=\S+/glm-image-bot (?:serve|worker)$", text, re.MULTILINE)
        assert "\nTimeoutStopSec=320\n" in text


def test_the_snippet_sets_what_the_page_on_hardening_names() -> None:
    page = (TOP / "config/docs/hardening.md").read_text(encoding="utf-8")
    paragraph = page.partition("**A proxy in front**")[2].partition("\n\n")[0]
    named = re.findall(r"`((?:client|proxy|limit)_\w+(?: \w+)?)`", paragraph)
    snippet = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    assert len(named) == 6
    assert [directive for directive in named if not re.search(rf"^ +{directive}\b", snippet, re.MULTILINE)] == []


def test_nginx_accepts_the_snippet(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("bot.example.com")
    certificate.private_key_pem.write_to_path(tmp_path / "glm-image-bot.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "glm-image-bot.crt")
    snippet = (DEPLOY / "nginx.conf").read_text(encoding="utf-8").replace("/etc/nginx/", f"{tmp_path}/")
    whole = tmp_path / "nginx.conf"
    whole.write_text(NGINX.format(user="", folder=tmp_path, snippet=snippet), encoding="utf-8")
    run("nginx", "-t", "-q", "-e", tmp_path / "errors", "-c", whole, "-p", tmp_path)


def test_the_manifest_of_the_page_fits_the_image() -> None:
    """One pod with the image's user and volume, its probe and as much time to stop as the units have."""
    (block,) = blocks("config/docs/hosting.md", "Kubernetes")
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\d+)$", image, re.MULTILINE)
    (volume,) = re.findall(r"^VOLUME (\S+)$", image, re.MULTILINE)
    assert {f"runAsUser: {user}", f"fsGroup: {user}", f"mountPath: {volume}", "args: [connect]"} <= set(
        re.findall(r"runAsUser: \d+|fsGroup: \d+|mountPath: [\w/]+|args: \[\w+\]", block)
    )
    assert block.count("path: /healthz, port: 8000") == 2
    assert "terminationGracePeriodSeconds: 320" in block
    assert "replicas: 1\n" in block
    assert "type: Recreate" in block
