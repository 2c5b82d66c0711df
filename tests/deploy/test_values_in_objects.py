"""What the values say is in the other rendered objects: who reaches the workers, what scrapes and scales them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.rendered_chart import CHART, KINDS, RELEASE, Document, documents, of_kind, template
from tests.deploy.test_values_in_pods import DEFAULTS, GIVEN, said, selected

if TYPE_CHECKING:
    from pathlib import Path

COMPONENTS = {("Service", "-workers"): "workers", ("Service", ""): "announcements"}
"""Kind and suffix of the objects that are not of the component `worker`."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_says_what_it_belongs_to(objects: dict[str, list[Document]], kind: str) -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    name = GIVEN[kind].get("nameOverride", "chatbridge")
    whole = of_kind(objects[kind], "StatefulSet")["metadata"]["name"]
    wanted = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/version": about["appVersion"],
        "app.kubernetes.io/part-of": "chatbridge",
        "app.kubernetes.io/managed-by": "Helm",
        **GIVEN[kind].get("commonLabels", {}),
    }
    of_chart = {"helm.sh/chart": f"chatbridge-{about['version']}"}
    for one in objects[kind]:
        suffix = one["metadata"]["name"].removeprefix(whole)
        component = {"app.kubernetes.io/component": COMPONENTS.get((one["kind"], suffix), "worker")}
        assert {**wanted, **of_chart, **component}.items() <= one["metadata"]["labels"].items(), one["kind"]
    labels = of_kind(objects[kind], "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert {**wanted, "app.kubernetes.io/component": "worker"}.items() <= labels.items()
    assert "helm.sh/chart" not in labels  # a new version of the chart alone replaces no pod


def test_two_releases_differ_in_instance_names_and_selectors(chart: Path) -> None:
    found = documents(template(chart, "--values", str(KINDS["manifests"]), release="south"))
    assert len(found) > 6
    for one in found:
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "south"
        assert one["metadata"]["name"].removesuffix("-workers") == "south-chatbridge"
    assert selected(found) == {"app.kubernetes.io/name": "chatbridge", "app.kubernetes.io/instance": "south"}
    assert selectors(found) == [selected(found)] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_services_budget_and_policy_are_about_the_pods_of_the_set(
    objects: dict[str, list[Document]], kind: str
) -> None:
    assert selectors(objects[kind]) == [selected(objects[kind])] * 4


def selectors(found: list[Document]) -> list[dict[str, str]]:
    return [
        *(one["spec"]["selector"] for one in found if one["kind"] == "Service"),
        of_kind(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]


@pytest.mark.parametrize(("kind", "most"), [("minimal", 1), ("everything", "25%")])
def test_as_many_workers_may_be_taken_away_as_the_values_say(
    objects: dict[str, list[Document]], kind: str, most: object
) -> None:
    spec = of_kind(objects[kind], "PodDisruptionBudget")["spec"]
    assert GIVEN[kind].get("podDisruptionBudget", DEFAULTS["podDisruptionBudget"])["maxUnavailable"] == most
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (most, "AlwaysAllow")


def test_only_the_peers_of_the_values_reach_the_ports_and_are_reached(objects: dict[str, list[Document]]) -> None:
    peers = said("everything", "networkPolicy")
    spec = of_kind(objects["everything"], "NetworkPolicy")["spec"]
    assert spec["ingress"] == [
        {"ports": [{"port": "http", "protocol": "TCP"}], "from": peers["announcers"]},
        {"ports": [{"port": "probes", "protocol": "TCP"}], "from": peers["scrapers"]},
    ]
    assert peers["announcers"] != peers["scrapers"]
    assert spec["egress"] == peers["egress"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_by_default_both_ports_are_open_and_what_leaves_is_not_limited(objects: dict[str, list[Document]]) -> None:
    spec = of_kind(objects["minimal"], "NetworkPolicy")["spec"]
    assert spec["ingress"] == [{"ports": [{"port": port, "protocol": "TCP"}]} for port in ("http", "probes")]
    assert spec["policyTypes"] == ["Ingress"]
    assert "egress" not in spec


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("minimal", {}),
        ("dual-stack", {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}),
        ("everything", {"ipFamilyPolicy": "PreferDualStack"}),
    ],
)
def test_both_services_have_the_address_families_of_the_values(
    objects: dict[str, list[Document]], kind: str, wanted: dict[str, object]
) -> None:
    services = [one["spec"] for one in objects[kind] if one["kind"] == "Service"]
    assert len(services) == 2
    for spec in services:
        assert {name: spec[name] for name in ("ipFamilyPolicy", "ipFamilies") if name in spec} == wanted


def test_the_service_of_announcers_is_of_the_type_of_the_values(objects: dict[str, list[Document]]) -> None:
    service = of_kind([one for one in objects["everything"] if not is_headless(one)], "Service")
    given = said("everything", "service")
    assert (service["spec"]["type"], service["metadata"]["annotations"]) == (given["type"], given["annotations"])
    default = of_kind([one for one in objects["minimal"] if not is_headless(one)], "Service")
    assert (default["spec"]["type"], default["spec"]["ports"][0]["port"]) == ("ClusterIP", 8080)


@pytest.mark.parametrize("kind", KINDS)
def test_the_workers_are_reached_on_both_ports_and_announcers_reach_one(
    objects: dict[str, list[Document]], kind: str
) -> None:
    services = {is_headless(one): one["spec"]["ports"] for one in objects[kind] if one["kind"] == "Service"}
    assert services[True] == [
        {"name": "http", "port": 8080, "targetPort": "http"},
        {"name": "probes", "port": 8081, "targetPort": "probes"},
    ]
    assert [one["name"] for one in services[False]] == ["http"]


def is_headless(document: Document) -> bool:
    return bool(document["kind"] == "Service" and document["spec"].get("clusterIP") == "None")


def test_the_ingress_has_host_class_and_certificate_of_the_values(objects: dict[str, list[Document]]) -> None:
    given = said("everything", "ingress")
    ingress = of_kind(objects["everything"], "Ingress")
    spec = ingress["spec"]
    assert spec["ingressClassName"] == given["className"]
    assert spec["tls"] == [{"hosts": [given["host"]], "secretName": given["tlsSecret"]}]
    assert ingress["metadata"]["annotations"] == given["annotations"]
    [rule] = spec["rules"]
    [path] = rule["http"]["paths"]
    service = of_kind([one for one in objects["everything"] if not is_headless(one)], "Service")
    assert rule["host"] == given["host"]
    assert path["backend"] == {"service": {"name": service["metadata"]["name"], "port": {"name": "http"}}}


@pytest.mark.parametrize("kind", ["manifests", "tls", "everything"])
def test_the_monitor_selects_the_workers_once_as_the_values_say(objects: dict[str, list[Document]], kind: str) -> None:
    given: dict[str, Any] = {**DEFAULTS["serviceMonitor"], **said(kind, "serviceMonitor")}
    monitor = of_kind(objects[kind], "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [one for one in objects[kind] if one["kind"] == "Service"]
    assert [is_headless(one) for one in services if wanted <= one["metadata"]["labels"].items()] == [True]
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint.get("tlsConfig", {}) == given["tlsConfig"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (given["interval"], given["scrapeTimeout"])
    assert given["labels"].items() <= monitor["metadata"]["labels"].items()
    assert endpoint["authorization"]["type"] == "Bearer"


def test_rules_and_dashboards_are_found_by_the_labels_of_the_values(objects: dict[str, list[Document]]) -> None:
    found = objects["everything"]
    rules = of_kind(found, "PrometheusRule")["metadata"]["labels"]
    assert said("everything", "prometheusRule")["labels"].items() <= rules.items()
    dashboards = of_kind(found, "ConfigMap", "-dashboards")["metadata"]
    assert DEFAULTS["dashboards"]["labels"].items() <= dashboards["labels"].items()
    assert dashboards["annotations"] == said("everything", "dashboards")["annotations"]


def test_keda_scales_within_the_limits_of_the_values(objects: dict[str, list[Document]]) -> None:
    given = {**DEFAULTS["autoscaling"], **said("everything", "autoscaling")}
    spec = of_kind(objects["everything"], "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (given["minReplicas"], given["maxReplicas"])
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == given["stabilizationSeconds"]
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 120}]
    [trigger] = spec["triggers"]
    assert trigger["metadata"]["serverAddress"] == given["prometheus"]
    assert trigger["metadata"]["threshold"] == str(given["joinedPerWorker"])
    assert trigger["authenticationRef"] == {"name": given["authentication"]}


def test_the_external_secret_is_read_from_the_store_of_the_values(objects: dict[str, list[Document]]) -> None:
    default, given = DEFAULTS["secret"]["external"], said("everything", "secret")["external"]
    spec = of_kind(objects["everything"], "ExternalSecret")["spec"]
    assert spec["refreshInterval"] == default["refreshInterval"]
    assert spec["secretStoreRef"] == {**default["store"], **given["store"]}
    assert {one["secretKey"]: one["remoteRef"] for one in spec["data"]} == given["data"]
    assert (spec["target"]["creationPolicy"], spec["target"]["deletionPolicy"]) == ("Owner", "Retain")


def test_the_secret_of_the_chart_has_the_files_of_the_values(objects: dict[str, list[Document]]) -> None:
    assert of_kind(objects["own-secret"], "Secret")["stringData"] == said("own-secret", "secret")["create"]


@pytest.mark.parametrize(
    ("kind", "user"), [("mtls", RELEASE), ("no-management", "contact-centre"), ("everything", f"{RELEASE}-transcripts")]
)
def test_strimzi_finds_what_is_its_own(objects: dict[str, list[Document]], kind: str, user: str) -> None:
    given = said(kind, "strimzi")
    for one in (each for each in objects[kind] if each["kind"] in {"KafkaUser", "KafkaTopic"}):
        assert one["metadata"]["labels"]["strimzi.io/cluster"] == given["cluster"]
        assert one["metadata"].get("namespace") == given.get("namespace")
        assert one["apiVersion"] == DEFAULTS["strimzi"]["apiVersion"]
    made = of_kind(objects[kind], "KafkaUser")
    wanted = {**DEFAULTS["strimzi"]["user"], **given["user"]}["authentication"]
    assert (made["metadata"]["name"], made["spec"]["authentication"]) == (user, {"type": wanted})
