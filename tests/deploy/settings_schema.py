"""The part of the chart's values.schema.json that is made from the settings: what `settings` may hold.

So a misspelt setting is refused by `helm install`, before a pod starts. A secret is refused, too: it would end up in a
ConfigMap; settings name the files of secrets.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.config import Config
from bridge.config.security import CLIENT_CHOICES, CLIENT_KEYS, CLIENT_SECRETS

NAME: Final = "Settings"
_JSON_TYPES: Final = {str: "string", int: "integer", bool: "boolean"}
_SET_BY_THE_CHART: Final = "worker_id"  # the name of the pod


def settings_definitions() -> dict[str, Any]:
    """Return name -> JSON schema, of the settings and all their sections."""
    schema = Config.model_json_schema()
    sections = {**schema.pop("$defs"), NAME: schema}
    definitions = {name: _strict(section) for name, section in sections.items()}
    del definitions[NAME]["properties"][_SET_BY_THE_CHART]
    definitions["KafkaSettings"]["properties"]["client"] = _client()
    return dict(sorted(definitions.items()))


def _strict(section: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in one.items() if key not in {"default", "title"}}
        for name, one in section["properties"].items()
        if not _is_secret(one)
    }
    kept: dict[str, Any] = {key: section[key] for key in ("description", "required") if key in section}
    return {"type": "object", "additionalProperties": False, **kept, "properties": properties}


def _is_secret(setting: dict[str, Any]) -> bool:
    return any(one.get("format") == "password" for one in (setting, *setting.get("anyOf", ())))


def _client() -> dict[str, Any]:
    properties = {
        key: {"enum": list(CLIENT_CHOICES[key])} if key in CLIENT_CHOICES else {"type": _JSON_TYPES[kind]}
        for key, kind in CLIENT_KEYS.items()
        if key not in CLIENT_SECRETS
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}
