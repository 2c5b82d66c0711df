"""The settings: a tree of sections (`tree`), three layers (`layers`), all problems in one message (`problems`).

Only `app`, the factories, `cli` and `commands` see a `Config`; everything else is given plain values.
"""

from bridge.config.loading import load, origins
from bridge.config.source_settings import ChatServerSettings, LinkTls, SourcesSettings
from bridge.config.tree import (
    CaptureSettings,
    Config,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    PrivacyRule,
    PrivacySettings,
    SchemaRegistrySettings,
)

__all__ = [
    "CaptureSettings",
    "ChatServerSettings",
    "Config",
    "HttpSettings",
    "KafkaSettings",
    "LinkTls",
    "LogSettings",
    "PrivacyRule",
    "PrivacySettings",
    "SchemaRegistrySettings",
    "SourcesSettings",
    "load",
    "origins",
]
