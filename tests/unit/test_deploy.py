"""The files of deploy/ are ones that the programs they are for take, and fit each other."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import haproxy
import pytest
import yaml

from kb.config.loading import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMTOOL = shutil.which("promtool")
RULES_TEST = Path(__file__).parents[1] / "prometheus_rules_test.yaml"
SYSTEMD = shutil.which("systemd-analyze")
UNITS = sorted((DEPLOY / "systemd").iterdir())


def read_yaml(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


@haproxy.installed
@pytest.mark.parametrize("is_told", [False, True])
def test_haproxy_takes_its_configuration(tmp_path: Path, is_told: bool) -> None:
    """With the places that are written in it, and with others that the environment tells."""
    places = haproxy.name_places(8080, "127.0.0.1:1", "127.0.0.1:2", tmp_path) if is_told else {}
    assert haproxy.PROGRAM
    done = subprocess.run(
        [haproxy.PROGRAM, "-c", "-f", str(haproxy.FILE)],
        env=places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With a program that is there in the place of the one that is installed later."""
    assert SYSTEMD
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/kb/bin/kb", "/bin/true")
        (tmp_path / unit.name).write_text(text, "utf-8")
    units = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run([SYSTEMD, "verify", *units], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if any(u.name in line for u in UNITS)]
    assert (done.returncode, told) == (0, [])


def test_the_configuration_of_the_servers_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_PASSWORD", "secret")
    config = load_config(DEPLOY / "config.yaml")
    assert config.machine == "documents"
    assert config.serve.uploads is None


def test_the_services_of_compose_are_those_that_the_proxy_is_told() -> None:
    [compose] = read_yaml("compose.yaml")
    services, proxy = compose["services"], compose["services"]["proxy"]
    for name in ("KB_SERVER_A", "KB_SERVER_B"):
        service, _, port = proxy["environment"][name].partition(":")
        assert services[service]["environment"]["KB_DATABASE_HOST"] in services
        assert port == "8080"
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or source[0] == "$" or (DEPLOY / source).exists()


def test_the_parts_of_kubernetes_mean_each_other() -> None:
    deployment, service, budget = read_yaml("kubernetes.yaml")
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        budget["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    [container] = template["spec"]["containers"]
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {
        port["name"] for port in container["ports"]
    }


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian's prometheus)")
def test_alerts_are_raised_by_what_goes_wrong_and_by_nothing_else(tmp_path: Path) -> None:
    assert PROMTOOL
    for file in (DEPLOY / "prometheus-rules.yaml", RULES_TEST):
        shutil.copy(file, tmp_path)
    for command in (
        ["check", "rules", "prometheus-rules.yaml"],
        ["test", "rules", RULES_TEST.name],
    ):
        done = subprocess.run(
            [PROMTOOL, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    [rules] = read_yaml("prometheus-rules.yaml")
    tried = RULES_TEST.read_text("utf-8")
    for rule in rules["groups"][0]["rules"]:
        assert rule["alert"] in tried
        assert set(rule["annotations"]) == {"summary", "description"}
