"""The network lets the flow through and nothing else."""

from collections.abc import Callable
from typing import Any

Manifest = dict[str, Any]
Manifests = list[Manifest]
Edge = tuple[str, str, int]

GRPC = 50051
FLOW: set[Edge] = {
    ("client", "orchestrator", GRPC),
    ("orchestrator", "builder", GRPC),
    ("orchestrator", "auditor", GRPC),
    ("orchestrator", "gate", GRPC),
    ("orchestrator", "memory", GRPC),
    # They get objects from it, and the builder puts its commits there.
    ("builder", "orchestrator", GRPC),
    ("auditor", "orchestrator", GRPC),
    ("gate", "orchestrator", GRPC),
    ("memory", "orchestrator", GRPC),
    ("gate", "auditor", GRPC),
    ("memory", "qdrant", 6334),
    *((name, "postgres", 5432) for name in ("orchestrator", "builder", "auditor", "gate", "memory")),
    *((name, "collector", 4317) for name in ("orchestrator", "builder", "auditor", "gate", "memory")),
}
OBSERVABILITY: set[Edge] = {
    ("collector", "jaeger", 4317),
    ("prometheus", "collector", 8889),
    ("grafana", "prometheus", 9090),
    ("grafana", "jaeger", 16686),
}
CLIENT = {"autopack.dev/client": "true"}


def pods(manifests: Manifests) -> dict[str, dict[str, str]]:
    """Labels of every workload's pods."""
    found = [item for item in manifests if item["kind"] in ("Deployment", "StatefulSet")]
    return {item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"] for item in found}


def policies(manifests: Manifests) -> list[Manifest]:
    return [item["spec"] for item in manifests if item["kind"] == "NetworkPolicy"]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def rules(manifests: Manifests, labels: dict[str, str], direction: str) -> list[Manifest]:
    """Ingress or egress rules of the pods with the labels."""
    return [
        rule
        for policy in policies(manifests)
        if selects(policy["podSelector"], labels)
        for rule in policy.get(direction, [])
    ]


def allowed(manifests: Manifests, direction: str) -> set[Edge]:
    """Edges inside the cluster that one end's policies allow."""
    known = pods(manifests)
    key, found = ("to" if direction == "egress" else "from"), set()
    for name, labels in known.items():
        for rule in rules(manifests, labels, direction):
            assert rule["ports"], "no rule is for all ports"
            for peer in rule[key]:
                for port in rule["ports"]:
                    found |= {
                        (name, other, port["port"]) if direction == "egress" else (other, name, port["port"])
                        for other in _peers(peer, known)
                    }
    return found


def _peers(peer: Manifest, known: dict[str, dict[str, str]]) -> set[str]:
    if "namespaceSelector" in peer:
        # Clients are elsewhere, and so is DNS; nobody here carries those labels.
        assert not {name for name, labels in known.items() if selects(peer["podSelector"], labels)}
        return {"client"} if peer["podSelector"].get("matchLabels") == CLIENT else set()
    if "ipBlock" in peer:
        return set()
    return {name for name, labels in known.items() if selects(peer["podSelector"], labels)}


def outside(manifests: Manifests) -> set[tuple[str, int]]:
    """Who may leave the cluster, and to which port."""
    return {
        (name, port["port"])
        for name, labels in pods(manifests).items()
        for rule in rules(manifests, labels, "egress")
        for peer in rule["to"]
        if "ipBlock" in peer
        for port in rule["ports"]
    }


def test_everything_is_denied_first(manifests: Manifests) -> None:
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies(manifests)


def test_both_ends_allow_exactly_the_flow(base: Manifests) -> None:
    assert allowed(base, "ingress") == FLOW
    assert allowed(base, "egress") == {edge for edge in FLOW if edge[0] != "client"}


def test_observability_adds_its_edges_and_no_more(render: Callable[[str], Manifests]) -> None:
    manifests = render("components/observability")
    assert allowed(manifests, "ingress") == FLOW | OBSERVABILITY
    assert allowed(manifests, "egress") == {edge for edge in FLOW if edge[0] != "client"} | OBSERVABILITY


def test_a_policy_says_which_directions_it_is_for(manifests: Manifests) -> None:
    for policy in policies(manifests):
        for direction in ("ingress", "egress"):
            assert direction not in policy or direction.capitalize() in policy["policyTypes"]


def test_only_models_and_git_remotes_are_outside(manifests: Manifests) -> None:
    assert outside(manifests) == {("builder", 443), ("orchestrator", 443), ("orchestrator", 22)}
    for policy in policies(manifests):
        for rule in policy.get("egress", []):
            for peer in rule["to"]:
                if block := peer.get("ipBlock"):
                    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
                    assert private <= set(block["except"]), "metadata servers are no models"


def test_everybody_may_ask_for_names_and_nobody_else_in_the_system(manifests: Manifests) -> None:
    for labels in pods(manifests).values():
        found = [
            (
                peer["podSelector"],
                sorted(port["protocol"] for port in rule["ports"]),
                rule["ports"][0]["port"],
            )
            for rule in rules(manifests, labels, "egress")
            for peer in rule["to"]
            if "namespaceSelector" in peer
        ]
        assert found == [({"matchLabels": {"k8s-app": "kube-dns"}}, ["TCP", "UDP"], 53)]
