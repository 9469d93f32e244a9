"""The files for compose, Kubernetes and systemd are what their tools take, and agree with us."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml
from django.conf import settings

from houston.management.commands import run

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
VERSIONS = ("1.30", "1.37")
SHUTDOWN_S = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    found = yaml.safe_load((DEPLOY / "kubernetes" / "houston.yaml").read_text())
    assert found["kind"] == "List"
    return found["items"]


def named(resources: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in resources if one["kind"] == kind}


def pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = named(resources, "Deployment") | named(resources, "Job")
    return {name: one["spec"]["template"]["spec"] for name, one in found.items()}


# Compose ------------------------------------------------------------------------------------------


def test_compose_file_is_of_the_specification(compose: dict[str, Any]) -> None:
    known = {name: one for name, one in compose.items() if not name.startswith("x-")}

    compose_spec.PyCompose.from_yaml(yaml.safe_dump(known)).validate()
    known["services"]["web"]["restrat"] = "always"
    wrong = yaml.safe_dump(known)

    with pytest.raises(ValueError, match="restrat"):
        compose_spec.PyCompose.from_yaml(wrong)


def test_compose_starts_every_process_and_gives_it_time_to_end(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert set(services) >= {"web", "worker", "worker-2", "beat", "connect", "migrate"}
    for name in ("worker", "worker-2"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > SHUTDOWN_S
    for name, one in services.items():
        for secret in one.get("secrets", ()):
            assert secret in compose["secrets"], name
        for volume in one.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"], name


def test_dockerfile_passes_its_linter() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", DEPLOY / "compose" / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_dockerfile_takes_what_is_there() -> None:
    text = (DEPLOY / "compose" / "Dockerfile").read_text()

    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]


# Kubernetes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_of_the_schema(resources: list[dict[str, Any]], version: str) -> None:
    for one in resources:
        kubernetes_validate.validate(one, version, strict=True)


def test_schema_finds_what_is_misspelt(resources: list[dict[str, Any]]) -> None:
    wrong = {**resources[0], "metadata": {"name": "x", "labls": {}}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_pods_may_nothing_that_they_do_not_need(resources: list[dict[str, Any]]) -> None:
    for name, spec in pods(resources).items():
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not spec["automountServiceAccountToken"], name
        for container in spec["containers"]:
            may = container["securityContext"]
            assert not may["allowPrivilegeEscalation"], name
            assert may["readOnlyRootFilesystem"], name
            assert may["capabilities"] == {"drop": ["ALL"]}, name


def test_manifests_fit_each_other(resources: list[dict[str, Any]]) -> None:
    deployments = named(resources, "Deployment")

    assert set(deployments) == {"web", "worker", "beat", "connect"}
    assert deployments["beat"]["spec"]["replicas"] == 1
    assert deployments["beat"]["spec"]["strategy"] == {"type": "Recreate"}
    assert pods(resources)["worker"]["terminationGracePeriodSeconds"] > SHUTDOWN_S
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in deployments.values()]
    for budget in named(resources, "PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"] in labels
    assert named(resources, "Service")["web"]["spec"]["selector"] in labels


# systemd ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_is_one(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/srv/houston/.venv/bin/python", sys.executable))

    assert "Restart=always" in text
    assert "NoNewPrivileges=yes" in text
    if "worker" in unit.name:
        assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0]) > SHUTDOWN_S
    analyze = shutil.which("systemd-analyze")
    if analyze:
        done = subprocess.run(
            [analyze, "verify", copy], check=False, capture_output=True, text=True
        )
        mine = [line for line in done.stderr.splitlines() if unit.stem.split("@")[0] in line]
        assert mine == []


def test_there_is_a_unit_for_every_process() -> None:
    assert [path.name for path in UNITS] == [
        "houston-beat.service",
        "houston-connect.service",
        "houston-web.service",
        "houston-worker@.service",
    ]


# All of them --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_processes_are_started_as_the_product_starts_them() -> None:
    started = run.processes()
    web = re.findall(
        r"--(?:worker-class|limit-request-fields|timeout|logger-class) \S+", started["web"]
    )
    worker = re.findall(r"--without-\S+", started["worker"])
    texts = {path: path.read_text() for path in DEPLOY.rglob("*") if path.is_file()}

    assert len(web) == 4
    assert len(worker) == 2
    for path, text in texts.items():
        if "gunicorn houston.wsgi --bind" in text:
            assert [option for option in web if option not in text] == [], path
        if re.search(r"-A,? houston,? --quiet,? worker", text):
            assert [option for option in worker if option not in text] == [], path
