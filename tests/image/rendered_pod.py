"""The pod of deploy/kubernetes, as options of podman: its arguments, environment, user, mounts and security."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MANIFESTS: Final = Path(__file__).parents[2] / "deploy/kubernetes"
_SECRET_MODE: Final = 0o440


@dataclass(frozen=True)
class RenderedPod:
    """What the manifests say of the pod with the container `chatbridge`."""

    pod: Mapping[str, Any]
    container: Mapping[str, Any]
    configuration: Mapping[str, Mapping[str, str]]  #: name of a config map -> file -> text

    @classmethod
    def read(cls) -> RenderedPod:
        documents = [document for document in _documents() if document]
        [stateful_set] = [one for one in documents if one["kind"] == "StatefulSet"]
        pod = stateful_set["spec"]["template"]["spec"]
        [container] = [one for one in pod["containers"] if one["name"] == "chatbridge"]
        maps = {one["metadata"]["name"]: one["data"] for one in documents if one["kind"] == "ConfigMap"}
        return cls(pod, container, maps)

    @property
    def args(self) -> tuple[str, ...]:
        return tuple(self.container["args"])

    @property
    def grace_seconds(self) -> float:
        return float(self.pod["terminationGracePeriodSeconds"])

    def environment(self, pod_name: str) -> dict[str, str]:
        """Return the variables; those that refer to the pod's name have it."""
        found: dict[str, str] = {}
        for one in self.container["env"]:
            if "value" in one:
                found[one["name"]] = one["value"]
            else:
                assert one["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name", one
                found[one["name"]] = pod_name
        return found

    def options(self, folder: Path, secrets: Mapping[str, bytes], user: int | None = None) -> list[str]:
        """Return the options for user, security and mounts; the volumes are laid out in `folder`.

        `user` replaces the uid, and the gid of the volumes, as a cluster does that gives each name space its own.
        """
        context, own = self.pod["securityContext"], self.container["securityContext"]
        assert context["runAsNonRoot"] is True
        group = context["fsGroup"] if user is None else user
        uid, gid = (context["runAsUser"], context["runAsGroup"]) if user is None else (user, 0)
        options = ["--user", f"{uid}:{gid}", "--group-add", str(group)]
        if own["readOnlyRootFilesystem"]:
            options += ["--read-only", "--read-only-tmpfs=false"]
        if not own["allowPrivilegeEscalation"]:
            options += ["--security-opt", "no-new-privileges"]
        options += [word for name in own["capabilities"]["drop"] for word in ("--cap-drop", name)]
        for mount in self.container["volumeMounts"]:
            place = folder / mount["name"]
            self._lay_out(mount["name"], place, secrets, group)
            options += ["-v", f"{place}:{mount['mountPath']}:{'ro' if mount.get('readOnly') else 'rw'}"]
        return options

    def _lay_out(self, name: str, place: Path, secrets: Mapping[str, bytes], group: int) -> None:
        [volume] = [one for one in self.pod["volumes"] if one["name"] == name]
        if "configMap" in volume:
            files = {file: text.encode() for file, text in self.configuration[volume["configMap"]["name"]].items()}
        else:
            assert volume["secret"]["defaultMode"] == _SECRET_MODE
            files = dict(secrets)
        place.mkdir(parents=True)
        for file, content in files.items():
            path = place / file
            path.write_bytes(content)
            _give(path, group, _SECRET_MODE if "secret" in volume else 0o644)
        _give(place, group, 0o750)


def _give(path: Path, group: int, mode: int) -> None:
    os.chown(path, 0, group)
    path.chmod(mode)


def _documents() -> Iterator[dict[str, Any]]:
    for file in sorted(MANIFESTS.glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text("utf-8"))
