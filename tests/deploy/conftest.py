"""Every kustomization, rendered as `kubectl apply -k` would."""

import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPONENTS = sorted(path.name for path in (DEPLOY / "components").iterdir())
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
VARIANTS = [
    "base",
    *(f"components/{name}" for name in COMPONENTS),
    *(f"overlays/{name}" for name in OVERLAYS),
]

Manifests = list[dict[str, Any]]


@cache
def _kubectl(directory: Path) -> Manifests:
    kubectl = ROOT / ".venv" / "bin" / "kubectl"
    command = [str(kubectl if kubectl.exists() else "kubectl"), "kustomize", str(directory)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    return [document for document in yaml.safe_load_all(rendered.stdout) if document]


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Manifests]:
    """Renders a variant; a component on top of the base."""
    directories: dict[str, Path] = {}

    def rendered(variant: str) -> Manifests:
        if not variant.startswith("components/"):
            return _kubectl(DEPLOY / variant)
        if variant not in directories:
            directory = tmp_path_factory.mktemp("overlay")
            base, component = (os.path.relpath(DEPLOY / part, directory) for part in ("base", variant))
            head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
            text = yaml.safe_dump({**head, "resources": [base], "components": [component]})
            (directory / "kustomization.yaml").write_text(text)
            directories[variant] = directory
        return _kubectl(directories[variant])

    return rendered


@pytest.fixture(params=VARIANTS)
def manifests(request: pytest.FixtureRequest, render: Callable[[str], Manifests]) -> Manifests:
    """The documents of one variant; a test that takes this runs over all of them."""
    return render(request.param)


@pytest.fixture
def base(render: Callable[[str], Manifests]) -> Manifests:
    """The documents of the base."""
    return render("base")
