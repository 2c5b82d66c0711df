"""Answers what kubectl asks of a cluster: discovery, lists by label, single objects, logs. Nothing runs in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from tests.support.threaded_server import QuietHandler, ThreadedServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

MANIFESTS: Final = Path(__file__).parents[2] / "deploy" / "kubernetes"

Document = dict[str, Any]
_STATUS: Final = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
_NOT_FOUND: Final = {**_STATUS, "reason": "NotFound", "code": 404, "message": "there is no such object"}
_REFUSED: Final = {**_STATUS, "reason": "Forbidden", "code": 403, "message": "objects can only be read here"}


class KubernetesApi:
    """Serves as long as it is entered. `asked` are the requests so far: method, path, parameters in their order.

    A POST, which would make an object or do something in a pod, is refused with 403. A path of no object: 404.
    """

    def __init__(self, objects: Iterable[Document], namespace: str, logs: Mapping[str, str]) -> None:
        """`objects` are in `namespace`; `logs` are pod -> text."""
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []
        self._objects = list(objects)
        self._namespace = namespace
        self._logs = logs
        kinds = {(one["apiVersion"], one["kind"]) for one in self._objects} | {("v1", "Event"), ("v1", "Namespace")}
        self._kinds = sorted(kinds)
        self._discovery = self._discovered()
        self._server = ThreadedServer(self._handler())

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def write_kubeconfig(self, file: Path) -> None:
        """Write the settings by which kubectl finds this API; commands without `-n` are for the namespace."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": self._server.base_url}}],
            "users": [{"name": "reader", "user": {}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "here", "user": "reader", "namespace": self._namespace}}
            ],
            "current-context": "here",
        }
        file.write_text(json.dumps(content), "utf-8")

    # --- inside --------------------------------------------------------------------------------------------------

    def _handler(self) -> type[QuietHandler]:
        api = self

        class KubernetesHandler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - the name that http.server looks for
                url = urlsplit(self.path)
                parameters = parse_qsl(url.query)
                api.asked.append((self.command, url.path, parameters))
                self.answer_with(*api._found(url.path, dict(parameters)))

            def do_POST(self) -> None:  # noqa: N802 - as above
                url = urlsplit(self.path)
                api.asked.append((self.command, url.path, parse_qsl(url.query)))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer_with(403, _REFUSED)

            def answer_with(self, status: int, found: Document | str) -> None:
                plain = isinstance(found, str)
                body = str(found).encode() if plain else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if plain else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return KubernetesHandler

    def _found(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Document | str]:
        """Return status and answer."""
        path = unquote(path).strip("/")
        if path in self._discovery:
            return 200, self._discovery[path]
        version, names = _version_and_names(path)
        if names[:2] == ["namespaces", self._namespace] and len(names) > 2:
            names = names[2:]
        plural, *names = names or [""]
        kind = {_plural(kind): kind for each, kind in self._kinds if each == version}.get(plural)
        of_kind = [one for one in self._objects if (one["apiVersion"], one["kind"]) == (version, kind)]
        named = [one for one in of_kind if names[:1] == [one["metadata"]["name"]]]
        if kind is not None and not names:
            chosen = [one for one in of_kind if _matches(one, parameters.get("labelSelector", ""))]
            return 200, {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": chosen}
        if named and names[1:] == ["log"]:
            return 200, self._logs[names[0]]
        return (200, named[0]) if named and not names[1:] else (404, _NOT_FOUND)

    def _discovered(self) -> dict[str, Document]:
        """Return path -> what it says of groups, versions and kinds. Each group has one version."""
        versions = sorted({version for version, _ in self._kinds if "/" in version})
        groups = []
        for version in versions:
            group, _, short = version.partition("/")
            one = {"groupVersion": version, "version": short}
            groups.append({"name": group, "versions": [one], "preferredVersion": one})
        found: dict[str, Document] = {
            "version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
            "api": {"kind": "APIVersions", "versions": ["v1"]},
            "apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        }
        for version in ("v1", *versions):
            resources = [_resource(kind) for each, kind in self._kinds if each == version]
            place = "apis" if "/" in version else "api"
            found[f"{place}/{version}"] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        return found


def manifests() -> list[Document]:
    """Return the objects of deploy/kubernetes."""
    texts = [file.read_text("utf-8") for file in sorted(MANIFESTS.glob("*.yaml"))]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def with_pods(documents: Iterable[Document], namespace: str) -> list[Document]:
    """Return objects as a cluster has them: in their namespace, with the pods of each StatefulSet, which run."""
    found = [{**one, "metadata": {"namespace": namespace, **one["metadata"]}} for one in documents]
    for workers in [one for one in found if one["kind"] == "StatefulSet"]:
        template = workers["spec"]["template"]
        for number in range(workers["spec"]["replicas"]):
            name = f"{workers['metadata']['name']}-{number}"
            status = {"phase": "Running", "containerStatuses": []}
            metadata = {**template["metadata"], "name": name, "namespace": namespace}
            found.append(
                {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": status}
            )
    return found


def _version_and_names(path: str) -> tuple[str, list[str]]:
    """Return version, as objects have it, and what follows it in a path."""
    place, *parts = path.split("/")
    length = 2 if place == "apis" else 1
    return "/".join(parts[:length]), parts[length:]


def _resource(kind: str) -> Document:
    return {
        "name": _plural(kind),
        "singularName": kind.lower(),
        "namespaced": kind != "Namespace",
        "kind": kind,
        "verbs": ["get", "list", "create"],
    }


def _plural(kind: str) -> str:
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"


def _matches(document: Document, selector: str) -> bool:
    """Tell whether an object has all labels of a selector, which compares with `=` only."""
    labels = document["metadata"].get("labels", {})
    wanted = dict(one.split("=", 1) for one in selector.split(",") if one)
    return all(labels.get(name) == value for name, value in wanted.items())
