"""The dashboard shows the metrics that exist, and finds a run's trace by its id."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from autopack.telemetry import names
from autopack.telemetry.metrics import _instruments

DIRECTORY = Path(__file__).parents[2] / "deploy/components/observability"
UNITS = {"s": "_seconds", "ms": "_milliseconds"}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / "autopack.json").read_text())
    return found


def expressions() -> list[str]:
    return [
        target["expr"] for panel in dashboard()["panels"] for target in panel["targets"] if "expr" in target
    ]


def prometheus_names() -> set[str]:
    """What the collector's Prometheus exporter calls the metrics that the code records."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    metrics = _instruments(provider.get_meter("autopack"))
    for name in metrics.__slots__:
        instrument = getattr(metrics, name)
        (instrument.record if hasattr(instrument, "record") else instrument.add)(1)
    data = reader.get_metrics_data()
    assert data is not None
    found = set()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        is_counter = hasattr(metric.data, "is_monotonic")
        found.add(
            metric.name.replace(".", "_")
            + UNITS.get(metric.unit or "", "")
            + ("_total" if is_counter else "")
        )
    provider.shutdown()
    return found


def test_every_metric_is_shown_and_every_one_shown_exists() -> None:
    shown = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for expression in expressions()
        for name in re.findall(r"\b(?:autopack|rpc)_\w+(?=[\[{])", expression)
    }
    assert shown == prometheus_names()


def test_labels_are_attributes_that_exist() -> None:
    known = {str(value).replace(".", "_") for key, value in vars(names).items() if key.isupper()}
    for expression in expressions():
        (labels,) = re.findall(r"sum by \(([^)]*)\)", expression)
        assert set(labels.split(", ")) <= known | {"le", "job"}


def test_a_run_id_leads_to_its_trace() -> None:
    (variable,) = dashboard()["templating"]["list"]
    (panel,) = [panel for panel in dashboard()["panels"] if panel["datasource"]["type"] == "jaeger"]
    (target,) = panel["targets"]
    assert target["tags"] == f"{names.RUN_ID}=${variable['name']}"
    assert target["operation"] == names.RUN_SPAN


def test_panels_use_data_sources_that_are_provisioned() -> None:
    sources = yaml.safe_load((DIRECTORY / "datasources.yaml").read_text())["datasources"]
    used = {(panel["datasource"]["uid"], panel["datasource"]["type"]) for panel in dashboard()["panels"]}
    assert used == {(source["uid"], source["type"]) for source in sources}


def test_addresses_are_those_of_services(render: Callable[[str], list[dict[str, Any]]]) -> None:
    ports = {
        f"{item['metadata']['name']}:{port['port']}"
        for item in render("components/observability")
        if item["kind"] == "Service"
        for port in item["spec"]["ports"]
    }
    sources = yaml.safe_load((DIRECTORY / "datasources.yaml").read_text())["datasources"]
    assert {source["url"].removeprefix("http://") for source in sources} <= ports
    collector = yaml.safe_load((DIRECTORY / "collector-config.yaml").read_text())
    assert collector["exporters"]["otlp/jaeger"]["endpoint"] in ports
    scraped = yaml.safe_load((DIRECTORY / "prometheus-config.yaml").read_text())["scrape_configs"]
    assert [
        f"{name}:{item['port']}"
        for config in scraped
        for item in config["dns_sd_configs"]
        for name in item["names"]
    ] == [f"collector:{collector['exporters']['prometheus']['endpoint'].rpartition(':')[2]}"]
    assert "collector:8889" in ports


def test_pipelines_use_what_is_configured() -> None:
    for path in (DIRECTORY, DIRECTORY.parents[1] / "base"):
        config = yaml.safe_load((path / "collector-config.yaml").read_text())
        assert set(config["service"]["pipelines"]) == {"traces", "metrics"}
        for pipeline in config["service"]["pipelines"].values():
            for kind, used in pipeline.items():
                assert set(used) <= set(config[kind])
        assert config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].endswith(":4317")
