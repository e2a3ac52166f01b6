"""The files with which the bot is run and watched for years."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import trustme

from bot.settings import VARIABLES, load
from tests.benchmarks.door_load import NGINX
from tests.repo.lock import TOP
from tests.repo.pages import blocks, program

DEPLOY = TOP / "config" / "deploy"
ALERTS = (TOP / "config" / "metrics" / "alerts.yml").read_text(encoding="utf-8")
DASHBOARD = json.loads((TOP / "config" / "metrics" / "grafana.json").read_text(encoding="utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
METRIC = re.compile(r"\b(?:bot|process)_[a-z_]+\b")


def names_in(text: str) -> set[str]:
    """The figures in expressions of Prometheus, without what it adds to a name."""
    return {re.sub("_(bucket|count|sum|total)$", "", name) for name in METRIC.findall(text)}


def test_dashboard_and_alerts_ask_for_figures_that_there_are() -> None:
    """And each of the bot's own stands in a panel, but for two that are constant for years."""
    own = set(re.findall(r'"(bot_[a-z_]+)"', (TOP / "bot" / "metrics.py").read_text(encoding="utf-8")))
    shown = names_in(" ".join(EXPRESSIONS))
    assert own - shown == {"bot_database_up", "bot_task_crashes"}
    asked = names_in(" ".join(re.findall(r"expr:(.*?)\n\s+(?:for|labels):", ALERTS, re.DOTALL)))
    assert (shown | asked) - own == {"process_open_fds", "process_resident_memory_bytes"}
    rules = ALERTS.split("- alert: ")[1:]
    assert len(rules) == 6
    assert all(f"{key}:" in rule for rule in rules for key in ("expr", "severity", "summary", "action"))


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
    asked = {job for text in (ALERTS, *EXPRESSIONS) for job in re.findall(r'job=~?"([^"]+)"', text)}
    jobs = re.findall(r"job_name: (\S+)", block)
    assert jobs == ["glm-image-bot", "glm-image-bot-worker"]
    assert [job for job in asked if not any(re.fullmatch(job, known) for known in jobs)] == []


def accept_unit(path: Path, text: str) -> None:
    """Fails where systemd finds more wrong with a unit than that the bot is not installed."""
    path.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", text), encoding="utf-8")
    assert run("systemd-analyze", "verify", path) == ""


def test_a_command_runs_with_the_settings_of_the_service(tmp_path: Path) -> None:
    """The page's `systemd-run` line has options that there are, and for its unit what the service's own says."""
    (block,) = blocks("config/docs/deployment.md", "The other commands, with the service's settings")
    words = shlex.split(block.replace("\\\n", ""))
    options = [word.removeprefix("--") for word in words if word.startswith("--")]
    known = re.findall(r"--([\w-]+)", run("systemd-run", "--help"))
    assert [one for one in options if one.partition("=")[0] not in known] == []
    given = [option.removeprefix("property=").replace("setenv=", "Environment=") for option in options if "=" in option]
    given = [option.replace("working-directory", "WorkingDirectory") for option in given]
    service = (DEPLOY / "glm-image-bot.service").read_text(encoding="utf-8").splitlines()
    assert [one for one in given if one not in service] == []
    settings = ["EnvironmentFile", "DynamicUser", "User", "UMask", "StateDirectory", "StateDirectoryMode"]
    assert [one.partition("=")[0] for one in given] == [*settings, *["Environment"] * 2, "WorkingDirectory"]
    assert f"ExecStart={words[1 + len(options)]} serve" in service
    accept_unit(tmp_path / "run.service", "\n".join(["[Service]", "ExecStart=bot", *given]))


def test_systemd_accepts_the_units_which_name_settings_that_there_are(tmp_path: Path) -> None:
    """A unit's variables are read by the bot, it runs a command of the bot, and it waits out an open call."""
    for unit in DEPLOY.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        accept_unit(tmp_path / unit.name, text)
        given = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE))
        assert given.pop("BOT_CONFIG_DIR") == "/etc/glm-image-bot/config"
        assert set(given) <= {*VARIABLES, "BOT_SERVER_HOST", "BOT_SERVER_WORKER_PORT"}
        settings = load({name: value.replace("%i", "1") for name, value in given.items()})
        assert settings.server.host == "127.0.0.1"
        assert re.search(r"^ExecStart=\S+/glm-image-bot (?:serve|worker)$", text, re.MULTILINE)
        assert "\nTimeoutStopSec=320\n" in text


def test_nginx_accepts_the_snippet_which_sets_what_the_page_on_hardening_names(tmp_path: Path) -> None:
    snippet = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    page = (TOP / "config/docs/hardening.md").read_text(encoding="utf-8")
    paragraph = page.partition("**A proxy in front**")[2].partition("\n\n")[0]
    named = re.findall(r"`((?:client|proxy|limit)_\w+(?: \w+)?)`", paragraph)
    assert len(named) == 6
    assert [directive for directive in named if not re.search(rf"^ +{directive}\b", snippet, re.MULTILINE)] == []
    certificate = trustme.CA().issue_cert("bot.example.com")
    certificate.private_key_pem.write_to_path(tmp_path / "glm-image-bot.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "glm-image-bot.crt")
    whole = tmp_path / "nginx.conf"
    snippet = snippet.replace("/etc/nginx/", f"{tmp_path}/")
    whole.write_text(NGINX.format(user="", folder=tmp_path, snippet=snippet), encoding="utf-8")
    run("nginx", "-t", "-q", "-e", tmp_path / "errors", "-c", whole, "-p", tmp_path)


def test_the_manifest_of_the_page_fits_the_image() -> None:
    """One pod with the image's user and volume, its probe and as much time to stop as the units have."""
    (block,) = blocks("config/docs/hosting.md", "Kubernetes")
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ((user, volume),) = re.findall(r"^USER (\d+)$.*^VOLUME (\S+)$", image, re.MULTILINE | re.DOTALL)
    expected = [f"runAsUser: {user},", f"fsGroup: {user}}}", f"mountPath: {volume}", "args: [connect]", "replicas: 1\n"]
    expected += ["type: Recreate", "path: /healthz, port: 8000", "terminationGracePeriodSeconds: 320"]
    assert [text for text in expected if text not in block] == []
