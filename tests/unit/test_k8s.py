"""The manifests in k8s/ hold together: checked offline, no cluster and no Ray is started."""

from __future__ import annotations

import copy
import gzip
import json
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from ray.serve.schema import ServeDeploySchema

from actors.host import CLUSTER_ENVIRONMENT
from orchestrator.config import Settings
from orchestrator.journal.engine import parse_url
from orchestrator.secrets import SECRET_NAMES

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
MANIFESTS = sorted(K8S.glob("*.yaml"))
SCHEMA = ROOT / "tests" / "data" / "rayservice_schema.json.gz"

UPGRADE_TYPES = {"NewCluster", "NewClusterWithIncrementalUpgrade", "None"}
"""KubeRay v1.7.0 checks this in the operator: to the schema it is any string."""

PLACEHOLDER = "set-me"
SECRET_LIKE = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|DATABASE_URL", re.IGNORECASE)
CREDENTIAL = re.compile(r"sk-ant-|-----BEGIN|://[^/\s:@]+:(?!set-me@)[^/\s@]+@")


# --- reading ---------------------------------------------------------------------------------


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def every(kind: str) -> list[dict[str, Any]]:
    return [doc for path in MANIFESTS for doc in documents(path) if doc["kind"] == kind]


def ray_service() -> dict[str, Any]:
    (service,) = every("RayService")
    return service


def serve_config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "serve_config.yaml").read_text())


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


def pod_templates() -> list[dict[str, Any]]:
    cluster = ray_service()["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [owner["template"] for owner in (*groups, *(s["spec"] for s in every("StatefulSet")))]


# --- the CRD's schema ------------------------------------------------------------------------


def strict(schema: Any) -> Any:
    """The schema with unknown fields as errors (the API server would drop them)."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    known = schema.get("properties")
    if not isinstance(known, dict):
        return {key: strict(value) for key, value in schema.items()}
    rest = {key: strict(value) for key, value in schema.items() if key != "properties"}
    if not schema.get("x-kubernetes-preserve-unknown-fields"):
        rest.setdefault("additionalProperties", False)
    # The names in `properties` are fields, whatever they are called.
    return rest | {"properties": {name: strict(field) for name, field in known.items()}}


CRD = strict(json.loads(gzip.decompress(SCHEMA.read_bytes())))
CLUSTER = CRD["properties"]["spec"]["properties"]["rayClusterConfig"]["properties"]
POD_TEMPLATE = CLUSTER["workerGroupSpecs"]["items"]["properties"]["template"]


def complaints(document: Any, schema: Any = CRD) -> list[str]:
    found = Draft202012Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def test_the_ray_service_is_what_its_crd_describes() -> None:
    assert ray_service()["apiVersion"] == "ray.io/v1"
    assert complaints(ray_service()) == []


def misspell_options(spec: dict[str, Any]) -> None:
    cluster = spec["rayClusterConfig"]
    cluster["gcsFaultToleranceOption"] = cluster.pop("gcsFaultToleranceOptions")


def misspell_deep_inside(spec: dict[str, Any]) -> None:
    pod = spec["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]
    pod["containers"][0]["envform"] = []


def name_an_unknown_mode(spec: dict[str, Any]) -> None:
    spec["rayClusterConfig"]["authOptions"]["mode"] = "tokens"


def give_a_number_for_text(spec: dict[str, Any]) -> None:
    spec["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


def leave_out_the_template(spec: dict[str, Any]) -> None:
    del spec["rayClusterConfig"]["headGroupSpec"]["template"]


@pytest.mark.parametrize(
    "spoil",
    [
        misspell_options,
        misspell_deep_inside,
        name_an_unknown_mode,
        give_a_number_for_text,
        leave_out_the_template,
    ],
)
def test_a_planted_mistake_in_the_ray_service_is_caught(spoil: Any) -> None:
    service = copy.deepcopy(ray_service())
    spoil(service["spec"])

    assert complaints(service)


def test_the_other_pods_are_what_kubernetes_describes() -> None:
    """The CRD holds the whole pod template, so it serves for the databases' pods too."""
    found = [line for pod in pod_templates() for line in complaints(pod, POD_TEMPLATE)]

    assert found == []


def test_the_upgrade_strategy_is_one_that_the_operator_knows() -> None:
    kind = ray_service()["spec"]["upgradeStrategy"]["type"]

    assert kind in UPGRADE_TYPES
    assert kind == "None", "a new cluster would not have the old one's jobs"


# --- Serve's configuration -------------------------------------------------------------------


def models(annotation: Any) -> list[type[BaseModel]]:
    """The pydantic models an annotation may stand for, through Optional, Union, list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models(part)]


def unknown_keys(value: Any, candidates: list[type[BaseModel]], where: str = "") -> list[str]:
    """Keys that no candidate model has a field for; free mappings are not looked into."""
    if isinstance(value, list):
        pairs = enumerate(value)
        return [k for i, item in pairs for k in unknown_keys(item, candidates, f"{where}[{i}]")]
    if not isinstance(value, dict) or not candidates:
        return []
    fields = {
        name: field
        for model in candidates
        for key, field in model.model_fields.items()
        for name in {key, field.alias or key}
    }
    found = []
    for key, item in value.items():
        path = f"{where}.{key}".lstrip(".")
        if key in fields:
            found += unknown_keys(item, models(fields[key].annotation), path)
        else:
            found.append(path)
    return found


def test_kubernetes_serves_the_same_applications() -> None:
    here, there = serve_config(), yaml.safe_load(ray_service()["spec"]["serveConfigV2"])
    hosts = (here["http_options"].pop("host"), there["http_options"].pop("host"))

    assert hosts == ("127.0.0.1", "0.0.0.0")
    assert there == here


def test_ray_knows_every_key_of_the_serve_configuration() -> None:
    assert unknown_keys(serve_config(), [ServeDeploySchema]) == []
    ServeDeploySchema.model_validate(serve_config())


@pytest.mark.parametrize(
    ("typo", "place"),
    [
        ("proxy_locaton", lambda config: config),
        ("keep_alive_timeout", lambda config: config["http_options"]),
        ("route_prefx", lambda config: config["applications"][1]),
        ("max_ongoing_request", lambda config: config["applications"][0]["deployments"][0]),
        ("retry_after", lambda c: c["applications"][0]["deployments"][0]["backpressure_config"]),
        ("num_cpu", lambda c: c["applications"][1]["deployments"][0]["ray_actor_options"]),
    ],
)
def test_a_planted_typo_in_the_serve_configuration_is_caught(typo: str, place: Any) -> None:
    config = serve_config()
    place(config)[typo] = 1

    (found,) = unknown_keys(config, [ServeDeploySchema])

    assert found.split(".")[-1] == typo


# --- what the manifests say of each other ----------------------------------------------------


def test_every_named_secret_and_setting_exists() -> None:
    keys = {doc["metadata"]["name"]: set(doc["stringData"]) for doc in every("Secret")}
    maps = {doc["metadata"]["name"] for doc in every("ConfigMap")}
    cluster = ray_service()["spec"]["rayClusterConfig"]

    assert "auth_token" in keys[cluster["authOptions"]["secretName"]]
    for path in MANIFESTS:
        for node in nodes(documents(path)):
            if ref := node.get("secretKeyRef"):
                assert ref["key"] in keys[ref["name"]]
            if ref := node.get("secretRef"):
                assert ref["name"] in keys
            if ref := node.get("configMapRef"):
                assert ref["name"] in maps


def test_every_ray_pod_has_the_settings_the_keys_and_the_database() -> None:
    for template in pod_templates()[:2]:
        (container,) = template["spec"]["containers"]
        names = {next(iter(ref.values()))["name"] for ref in container["envFrom"]}

        assert names == {"sota-config", "sota-keys"}
        env = [entry["name"] for entry in container["env"]]
        assert env == ["SOTA_DATABASE_URL", "SOTA_SIGNING_SECRET"]
        assert container["resources"].keys() == {"requests", "limits"}


def test_requests_are_authenticated_on_kubernetes() -> None:
    (config,) = every("ConfigMap")

    assert config["data"]["SOTA_AUTH"] == "on"


def test_the_databases_are_found_under_the_names_that_are_used() -> None:
    ports = {doc["metadata"]["name"]: doc["spec"]["ports"][0]["port"] for doc in every("Service")}
    cluster = ray_service()["spec"]["rayClusterConfig"]
    host, port = cluster["gcsFaultToleranceOptions"]["redisAddress"].split(":")
    urls = [doc["stringData"].get("SOTA_DATABASE_URL") for doc in every("Secret")]
    (url,) = (parse_url(url) for url in urls if url)

    assert ports[host] == int(port)
    assert ports[str(url.host)] == url.port
    for stateful in every("StatefulSet"):
        spec, labels = stateful["spec"], stateful["spec"]["template"]["metadata"]["labels"]
        (service,) = (d for d in every("Service") if d["metadata"]["name"] == spec["serviceName"])
        assert spec["selector"]["matchLabels"].items() <= labels.items()
        assert service["spec"]["selector"].items() <= labels.items()


def test_the_settings_are_ours_and_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = every("ConfigMap")
    ours = {k.removeprefix("SOTA_").lower() for k in config["data"] if k.startswith("SOTA_")}
    for name, value in config["data"].items():
        monkeypatch.setenv(name, value)

    assert ours <= Settings.model_fields.keys()
    assert Settings().max_live_jobs == Settings().job_memory_mb == 0, "each node measures its own"
    assert config["data"].items() >= CLUSTER_ENVIRONMENT.items()


def test_the_ray_version_is_the_pinned_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = (line for line in project["dependencies"] if line.startswith("ray["))
    cluster = ray_service()["spec"]["rayClusterConfig"]

    assert cluster["rayVersion"] == pin.split("==")[1]


def test_the_image_has_what_the_applications_are_imported_from() -> None:
    lines = (K8S / "Dockerfile").read_text().splitlines()
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    packages = {app["import_path"].split(".")[0] for app in serve_config()["applications"]}
    (image,) = {pod["spec"]["containers"][0]["image"] for pod in pod_templates()[:2]}

    assert packages | {"orchestrator", "steps", "serve_config.yaml"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    assert any("--require-hashes -r requirements.lock" in line for line in lines)
    assert any(line.startswith("#") and image in line for line in lines), "the build command"


# --- what must not be there ------------------------------------------------------------------


def test_nothing_is_public() -> None:
    """There is no TLS here: only the cluster itself may reach the service."""
    for path in MANIFESTS:
        for node in nodes(documents(path)):
            assert node.get("kind") not in {"Ingress", "Gateway", "HTTPRoute", "Route"}
            assert node.get("serviceType", "ClusterIP") == "ClusterIP"
            assert not node.get("enableIngress")
            assert not node.keys() & {"hostNetwork", "hostPort", "nodePort", "externalIPs"}
            if node.get("kind") == "Service":
                assert node["spec"].get("type", "ClusterIP") == "ClusterIP"


def secret_values(document: dict[str, Any]) -> list[str]:
    """Names of what is secret and has a value that is not the placeholder."""
    found = []
    if document["kind"] == "Secret":
        found += ["data"] if "data" in document else []
        for name, value in document["stringData"].items():
            bare = re.sub(r"^[a-z+]+://sota:(.*)@[a-z:0-9-]+/sota$", r"\1", value)
            found += [name] if bare != PLACEHOLDER else []
    if document["kind"] == "ConfigMap":
        found += [n for n in document["data"] if n in SECRET_NAMES or SECRET_LIKE.search(n)]
    for node in nodes(document):
        name = str(node.get("name", ""))
        found += [name] if SECRET_LIKE.search(name) and node.get("value") else []
        password = node.get("redisPassword") or {}
        found += ["redisPassword"] if "value" in password else []
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_no_manifest_holds_a_secret(path: Path) -> None:
    assert not CREDENTIAL.search(path.read_text())
    assert [name for document in documents(path) for name in secret_values(document)] == []
    if path.name != "secret.example.yaml":
        assert all(document["kind"] != "Secret" for document in documents(path))


@pytest.mark.parametrize(
    "planted",
    [
        {"kind": "Secret", "stringData": {"SERPER_API_KEY": "0123"}},
        {"kind": "Secret", "stringData": {"URL": "postgresql+asyncpg://sota:pw@db:5432/sota"}},
        {"kind": "Secret", "stringData": {}, "data": {"SERPER_API_KEY": "MDEyMw=="}},
        {"kind": "ConfigMap", "data": {"ANTHROPIC_API_KEY": "0123"}},
        {"kind": "Pod", "env": [{"name": "POSTGRES_PASSWORD", "value": "0123"}]},
        {"kind": "RayService", "spec": {"redisPassword": {"value": "0123"}}},
    ],
)
def test_a_planted_secret_is_caught(planted: dict[str, Any]) -> None:
    assert secret_values(planted)
