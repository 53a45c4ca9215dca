"""The manifests are valid, hardened, and name what the code reads."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from autopack.rpc.health import LIVENESS
from autopack.rpc.lifetime import CLOSE_SECONDS
from autopack.telemetry.setup import CLOSE_SECONDS as TELEMETRY_SECONDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SERVICES = ["orchestrator", "builder", "auditor", "gate", "memory"]
WORKLOADS = ("Deployment", "StatefulSet")
INTERNAL = {"AUTOPACK_SIGNER"}
"""How the gate's own processes know each other; nobody sets it."""
NO_SETTINGS = {"AUTOPACK_GATED"}
"""The level that a verification summary names."""
SETTING = re.compile(r"(AUTOPACK|OTEL)_[A-Z_]*[A-Z]")
Manifest = dict[str, Any]
Manifests = list[Manifest]


def workloads(manifests: Manifests) -> dict[str, Manifest]:
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] in WORKLOADS}


def pod(manifests: Manifests, name: str) -> Manifest:
    found: Manifest = workloads(manifests)[name]["spec"]["template"]["spec"]
    return found


def container(manifests: Manifests, name: str) -> Manifest:
    (found,) = pod(manifests, name)["containers"]
    return dict(found)


def of_kind(manifests: Manifests, kind: str) -> dict[str, Manifest]:
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] == kind}


def environment(manifests: Manifests, name: str) -> dict[str, str]:
    """Variables of a service's container as it will see them; those of secrets are empty."""
    found: dict[str, str] = {}
    for source in container(manifests, name).get("envFrom", []):
        found |= of_kind(manifests, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    for item in container(manifests, name).get("env", []):
        found[item["name"]] = item.get("value", "")
    return found


def strings(path: Path) -> set[str]:
    """String constants of a module."""
    tree = ast.parse(path.read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def settings(*paths: Path) -> set[str]:
    """Variables that modules name."""
    return {value for path in paths for value in strings(path) if SETTING.fullmatch(value)}


def telemetry_settings() -> set[str]:
    """What telemetry reads; it puts some names together."""
    signals = {f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" for signal in ("TRACES", "METRICS")}
    exporters = {f"OTEL_{signal}_EXPORTER" for signal in ("TRACES", "METRICS")}
    return settings(ROOT / "autopack/telemetry/setup.py") | signals | exporters | {"OTEL_RESOURCE_ATTRIBUTES"}


def own_settings(service: str) -> set[str]:
    """What a service reads by itself; the gate's signer reads where its key is."""
    signing = ROOT / f"{service}_svc/signing/process.py"
    paths = [ROOT / f"{service}_svc/config.py", ROOT / "autopack/rpc/tls.py", *[signing] * signing.exists()]
    return {name for name in settings(*paths) if name not in INTERNAL}


def readable(service: str) -> set[str]:
    """Every variable that a service reads."""
    return own_settings(service) | telemetry_settings()


def test_every_document_is_valid(manifests: Manifests) -> None:
    for document in manifests:
        kubernetes_validate.validate(document, "1.37", strict=True)


def test_strict_validation_finds_what_is_misspelt(base: Manifests) -> None:
    broken = json.loads(json.dumps(workloads(base)["gate"]))
    broken["spec"]["template"]["spec"]["hostuser"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.37", strict=True)


@pytest.mark.parametrize("service", SERVICES)
def test_each_variable_is_read_by_the_service_that_gets_it(
    render: Callable[[str], Manifests], service: str
) -> None:
    for variant in ("base", "components/sandbox-landlock", "components/sandbox-namespaces"):
        given = environment(render(variant), service)
        used_by_others = {name for value in given.values() for name in re.findall(r"\$\((\w+)\)", value)}
        shared = set().union(*(readable(other) for other in SERVICES))
        assert {name for name in given if name.startswith(("AUTOPACK_", "OTEL_"))} <= shared
        own = {item["name"] for item in container(render(variant), service)["env"]}
        assert own - used_by_others <= readable(service)


def test_a_variable_is_used_only_after_it_is_defined(manifests: Manifests) -> None:
    for name in workloads(manifests):
        defined: set[str] = set()
        for item in container(manifests, name).get("env", []):
            assert set(re.findall(r"\$\((\w+)\)", item.get("value", ""))) <= defined
            defined.add(item["name"])


@pytest.mark.parametrize("service", SERVICES)
def test_the_code_takes_the_settings(base: Manifests, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(base, service)
    config = import_module(f"{service}_svc.config").Config.from_environ(given)
    assert config.tls is not None
    assert not config.insecure
    mounts = {mount["mountPath"] for mount in container(base, service)["volumeMounts"]}
    assert str(config.directory) in mounts
    assert {str(path.parent) for path in (config.tls.certificate, config.tls.key, config.tls.ca)} <= mounts
    ports = {port["name"]: port["containerPort"] for port in container(base, service)["ports"]}
    assert ports == {"grpc": _port(config.address), "health": _port(config.health_address)}
    assert container(base, service)["args"] == ["serve", service]


@pytest.mark.parametrize("service", SERVICES)
def test_addresses_name_services_and_their_ports(base: Manifests, service: str) -> None:
    ports = {
        (name, port["port"])
        for name, item in of_kind(base, "Service").items()
        for port in item["spec"]["ports"]
    }
    addresses = {
        name: value
        for name, value in environment(base, service).items()
        if name.endswith(("_ADDRESS", "_URL", "_ENDPOINT")) and "0.0.0.0" not in value
    }
    for value in addresses.values():
        host, port = re.findall(r"([\w.-]+):(\d+)(?:/|$)", value)[-1]
        assert (host.rpartition(".")[2], int(port)) in ports, value
    if service == "orchestrator":
        assert addresses["AUTOPACK_GIT_ADDRESS"].startswith("$(AUTOPACK_EXECUTOR_ID).orchestrator:")
        assert workloads(base)["orchestrator"]["spec"]["serviceName"] == "orchestrator"


@pytest.mark.parametrize("service", SERVICES)
def test_probes_are_native_and_ask_for_what_the_server_tells(base: Manifests, service: str) -> None:
    health = _port(environment(base, service)["AUTOPACK_HEALTH_ADDRESS"])
    found = container(base, service)
    assert found["readinessProbe"]["grpc"] == {"port": health}
    for probe in ("startupProbe", "livenessProbe"):
        # Not the dependencies: a restart mends none of them.
        assert found[probe]["grpc"] == {"port": health, "service": LIVENESS}


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_has_time_to_drain_and_close(base: Manifests, service: str) -> None:
    grace = pod(base, service)["terminationGracePeriodSeconds"]
    assert grace > CLOSE_SECONDS + 2 * TELEMETRY_SECONDS


def test_every_pod_is_hardened(manifests: Manifests) -> None:
    for name in workloads(manifests):
        spec, found = pod(manifests, name), container(manifests, name)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        context = found["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "add" not in context["capabilities"]
        assert {"cpu", "memory"} <= set(found["resources"]["requests"])
        assert "memory" in found["resources"]["limits"]
        assert re.search(r":[\w.-]*\d", found["image"]), "a tag that says which"
        assert {"readinessProbe", "livenessProbe"} <= set(found)


def test_only_the_namespaces_component_asks_for_more_than_a_restricted_pod_has(
    render: Callable[[str], Manifests],
) -> None:
    for variant in ("base", "components/sandbox-landlock", "components/gvisor", "overlays/example"):
        for name in workloads(render(variant)):
            assert not {"procMount", "appArmorProfile"} & set(
                container(render(variant), name)["securityContext"]
            )
        (namespace,) = of_kind(render(variant), "Namespace").values()
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    namespaces = render("components/sandbox-namespaces")
    more = {
        name
        for name in workloads(namespaces)
        if "procMount" in container(namespaces, name)["securityContext"]
    }
    assert more == {"builder", "gate"}
    for name in more:
        assert pod(namespaces, name)["hostUsers"] is False
        assert environment(namespaces, name)["AUTOPACK_SANDBOX_TIER"] == "namespaces"


def test_the_seccomp_profile_lets_bubblewrap_work_and_keeps_the_kernels_edges_shut() -> None:
    profile = json.loads((DEPLOY / "components/sandbox-namespaces/seccomp.json").read_text())
    denied = {name for rule in profile["syscalls"] for name in rule["names"]}
    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ERRNO"}
    assert not denied & {
        "clone",
        "clone3",
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "prctl",
        "seccomp",
    }
    assert {
        "bpf",
        "io_uring_setup",
        "keyctl",
        "kexec_load",
        "init_module",
        "perf_event_open",
        "ptrace",
    } <= denied


def test_gvisor_is_asked_for_by_builder_and_gate(render: Callable[[str], Manifests]) -> None:
    manifests = render("components/gvisor")
    (runtime,) = of_kind(manifests, "RuntimeClass")
    asked = {name for name in workloads(manifests) if pod(manifests, name).get("runtimeClassName") == runtime}
    assert asked == {"builder", "gate"}


def test_secrets_are_named_and_never_applied(manifests: Manifests) -> None:
    assert not of_kind(manifests, "Secret")
    example = list(yaml.safe_load_all((DEPLOY / "overlays/example/secrets.example.yaml").read_text()))
    shown = {item["metadata"]["name"]: set(item["stringData"]) for item in example}
    for name, key in _secret_keys(manifests):
        assert key in shown[name], f"{name} is not in secrets.example.yaml"
    mounted = {
        volume["secret"]["secretName"]
        for name in workloads(manifests)
        for volume in pod(manifests, name).get("volumes", [])
        if "secret" in volume
    }
    assert mounted == {f"{service}-tls" for service in SERVICES}


def _secret_keys(manifests: Manifests) -> Iterator[tuple[str, str]]:
    for name in workloads(manifests):
        for item in container(manifests, name).get("env", []):
            reference = item.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield reference["name"], reference["key"]


def test_what_is_named_exists(manifests: Manifests) -> None:
    services, budgets = of_kind(manifests, "Service"), of_kind(manifests, "PodDisruptionBudget")
    for name, item in services.items():
        assert item["spec"]["clusterIP"] == "None", f"{name} is not headless"
        offered = {port["containerPort"] for port in container(manifests, name)["ports"]}
        assert {port["port"] for port in item["spec"]["ports"]} <= offered
    assert {*SERVICES, "postgres", "qdrant", "collector"} <= set(budgets)
    for item in (*services.values(), *budgets.values()):
        selector = item["spec"]["selector"]
        labels = workloads(manifests)[item["metadata"]["name"]]["spec"]["template"]["metadata"]["labels"]
        assert (selector.get("matchLabels") or selector).items() <= labels.items()
    for name in workloads(manifests):
        volumes = pod(manifests, name).get("volumes", [])
        claims = workloads(manifests)[name]["spec"].get("volumeClaimTemplates", [])
        known = {item["name"] for item in volumes} | {item["metadata"]["name"] for item in claims}
        assert {mount["name"] for mount in container(manifests, name).get("volumeMounts", [])} == known
        maps = {item["configMap"]["name"] for item in volumes if "configMap" in item}
        assert maps <= set(of_kind(manifests, "ConfigMap"))


def test_the_qdrant_server_is_of_the_clients_release(base: Manifests) -> None:
    client = version("qdrant-client").split(".")[:2]
    assert container(base, "qdrant")["image"].partition(":v")[2].split(".")[:2] == client


def test_each_service_gets_a_database(base: Manifests) -> None:
    script = (DEPLOY / "base/databases.sh").read_text()
    made = re.findall(r"for service in (.+); do", script)[0].split()
    assert sorted(made) == sorted(SERVICES)
    given = environment(base, "postgres")
    assert {f"{service.upper()}_PASSWORD" for service in made} <= set(given)
    for service in SERVICES:
        assert environment(base, service)["AUTOPACK_DATABASE_URL"].endswith(f"@postgres:5432/{service}")


def test_the_image_has_the_locked_dependencies_and_no_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run(
        [str(hadolint), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert "--require-hashes" in text
    assert "\nUSER 10001" in text
    copied = set(re.findall(r"^COPY (?!--from)(\w+) \w+$", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert copied == {package.rstrip("*") for package in packages}


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def documented() -> dict[str, str]:
    """Settings in the registry, with the cell that says who reads them."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (ROOT / "docs/SETTINGS.md").read_text(), re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("service", SERVICES)
def test_the_registry_names_who_reads_a_setting(service: str) -> None:
    own = own_settings(service)
    shared = {name for name in settings(ROOT / "autopack/telemetry/setup.py") if name.startswith("AUTOPACK_")}
    listed = {name for name, readers in documented().items() if service in readers.split(", ")}
    assert listed == own | shared


def test_the_registry_has_every_variable_of_the_code_and_no_other() -> None:
    paths = [
        path
        for package in ("autopack", *(f"{service}_svc" for service in SERVICES))
        for path in (ROOT / package).rglob("*.py")
        if "api" not in path.relative_to(ROOT).parts and "testing" not in path.parts
    ]
    found = settings(*paths) - NO_SETTINGS
    text, _, between = (ROOT / "docs/SETTINGS.md").read_text().partition("## Between processes")
    named, internal = ({match[0] for match in SETTING.finditer(part)} for part in (text, between))
    assert named - telemetry_settings() <= found
    assert found <= named | internal
    # What only processes, CI, tests and benchmarks say to each other is named somewhere there.
    others = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("autopack/**/*.*y*ml")]
    elsewhere = "".join(path.read_text() for path in [*others, *ROOT.glob("autopack/testing/*.py")])
    assert {name for name in internal - found if name not in elsewhere} == set()
