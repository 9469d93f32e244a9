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
from cryptography.fernet import Fernet
from django.conf import settings

from houston.management.commands import run

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
VERSIONS = ("1.30", "1.37")
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
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


def every_resource() -> list[dict[str, Any]]:
    return [one for path in MANIFESTS for one in yaml.safe_load(path.read_text())["items"]]


def named(resources: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in resources if one["kind"] == kind}


def pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = named(resources, "Deployment") | named(resources, "Job")
    jobs = {name: one["spec"]["jobTemplate"] for name, one in named(resources, "CronJob").items()}
    return {name: one["spec"]["template"]["spec"] for name, one in (found | jobs).items()} | {
        name: one["spec"] for name, one in named(resources, "Pod").items()
    }


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
    for name in ("web", "worker", "worker-2"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > SHUTDOWN_S
    for name, one in services.items():
        for secret in one.get("secrets", ()):
            assert secret in compose["secrets"], name
        for volume in one.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"], name


def test_compose_lets_prometheus_ask_every_worker(compose: dict[str, Any]) -> None:
    for name in ("worker", "worker-2"):
        service = compose["services"][name]
        port = service["environment"]["HOUSTON_METRICS_PORT"]

        assert service["environment"]["HOUSTON_METRICS_HOST"] == "0.0.0.0"  # noqa: S104 -- in a container
        assert "HOUSTON_METRICS_TOKEN_FILE" in service["environment"]
        assert [each.rpartition(":")[2] for each in service["ports"]] == [str(port)]


def test_compose_finds_its_secrets_after_the_script(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    script = shutil.copy(DEPLOY / "compose" / "make-secrets.sh", tmp_path)
    subprocess.run([script], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run([script], check=True)

    assert {f"./secrets/{name}" for name in made} == {
        one["file"] for one in compose["secrets"].values()
    }
    Fernet(made["encryption_keys"])
    assert f":{made['database_password']}@postgres/" in made["database_url"]
    assert [name for name, text in made.items() if len(text) < 32 or text.strip() != text] == []
    # Others on the machine do not come to them, and who runs the containers does.
    assert oct((tmp_path / "secrets").stat().st_mode)[-3:] == "700"
    for name, text in made.items():
        assert (tmp_path / "secrets" / name).read_text() == text
        assert (tmp_path / "secrets" / name).stat().st_mode & 0o044 == 0o044


def test_keys_are_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert "/deploy/compose/secrets/" in ignored
    assert ".env" in ignored


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
def test_manifests_are_of_the_schema(version: str) -> None:
    for one in every_resource():
        kubernetes_validate.validate(one, version, strict=True)


def test_schema_finds_what_is_misspelt(resources: list[dict[str, Any]]) -> None:
    wrong = {**resources[0], "metadata": {"name": "x", "labls": {}}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_pods_may_nothing_that_they_do_not_need() -> None:
    found = pods(every_resource())

    assert set(found) == {"web", "worker", "beat", "connect", "migrate", "backup", "manage"}
    for name, spec in found.items():
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
    for name in ("web", "worker"):
        assert pods(resources)[name]["terminationGracePeriodSeconds"] > SHUTDOWN_S
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in deployments.values()]
    for budget in named(resources, "PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"] in labels
    assert named(resources, "Service")["web"]["spec"]["selector"] in labels


def test_keys_come_from_a_secret_that_has_to_be_there(resources: list[dict[str, Any]]) -> None:
    assert named(resources, "Secret") == {}
    for name, spec in pods(resources).items():
        keys = {}
        for each in spec["containers"][0]["env"]:
            if "secretKeyRef" in each.get("valueFrom", {}):
                keys[each["name"]] = each["valueFrom"]["secretKeyRef"]
        assert set(keys) == {
            "HOUSTON_SECRET_KEY",
            "HOUSTON_ENCRYPTION_KEYS",
            "HOUSTON_METRICS_TOKEN",
            "HOUSTON_BROKER_URL",
            "DATABASE_URL",
        }, name
        for key, found in keys.items():
            assert found == {"name": "houston", "key": key}, name


def test_parts_are_applied_one_after_the_other(resources: list[dict[str, Any]]) -> None:
    text = (DEPLOY / "README.md").read_text()
    parts = {one["metadata"]["labels"]["part"] for one in resources}
    [looped] = re.findall(r"^for part in (.+); do$", text, re.MULTILINE)

    assert parts == {*looped.split(), "settings", "migrate"}
    assert [
        part for part in ("settings", "migrate") if f"houston.yaml -l part={part}" not in text
    ] == []
    for name, one in named(resources, "Deployment").items():
        assert one["metadata"]["labels"] == {"app": "houston", "part": name}


def test_prometheus_finds_every_pod_that_counts(resources: list[dict[str, Any]]) -> None:
    for name, one in named(resources, "Deployment").items():
        template = one["spec"]["template"]
        told = template["metadata"].get("annotations", {})
        ports = [
            each["containerPort"] for each in template["spec"]["containers"][0].get("ports", ())
        ]
        assert (told.get("prometheus.io/scrape") == "true") == (name in {"web", "worker"})
        assert [str(port) for port in ports] == ([told["prometheus.io/port"]] if told else [])


# systemd ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_is_one(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/srv/houston/.venv/bin/python", sys.executable))

    assert ("Restart=always" in text) == ("Type=oneshot" not in text)
    assert "NoNewPrivileges=yes" in text
    if unit.name in {"houston-web.service", "houston-worker@.service"}:
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
        "houston-backup.service",
        "houston-beat.service",
        "houston-connect.service",
        "houston-web.service",
        "houston-worker@.service",
    ]


def test_sample_of_the_environment_names_settings_that_there_are() -> None:
    sample = (DEPLOY / "systemd" / "houston.env.example").read_text()
    names = re.findall(r"^#?([A-Z_]+)=", sample, re.MULTILINE)
    readme = (ROOT / "README.md").read_text()

    assert len(names) > 10
    assert [name for name in names if f"| `{name}` |" not in readme] == []


# All of them --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_processes_are_started_as_the_product_starts_them() -> None:
    started = run.processes()
    web = re.findall(
        r"--(?:worker-class|limit-request-fields|timeout|logger-class) \S+", started["web"]
    )
    worker = re.findall(r"--without-\S+", started["worker"])
    texts = {path: path.read_text() for path in DEPLOY.rglob("*") if path.is_file()}

    for path, text in texts.items():
        if "gunicorn houston.wsgi --bind" in text and path.name != "README.md":
            for name in ("HOUSTON_WEB_WORKERS", "HOUSTON_WEB_THREADS", "HOUSTON_GRACE_S"):
                assert re.search(rf"--\S+ \${{{name}(:-\d+)?}}", text), path

    assert len(web) == 4
    assert len(worker) == 2
    for path, text in texts.items():
        if "gunicorn houston.wsgi --bind" in text:
            assert [option for option in web if option not in text] == [], path
        if re.search(r"-A,? houston,? --quiet,? worker", text):
            assert [option for option in worker if option not in text] == [], path
