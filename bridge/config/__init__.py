"""The settings: a tree of sections (`tree`), three layers (`layers`), all problems in one message (`problems`).

Only `app`, the factories, `cli` and `commands` see a `Config`; everything else is given plain values.
"""

from bridge.config.http_settings import HttpSettings
from bridge.config.loading import load, origins
from bridge.config.oauth_settings import OAuthSettings
from bridge.config.output_settings import OutputSettings, WhereSettings
from bridge.config.privacy_settings import PrivacyRule, PrivacySettings
from bridge.config.registry_settings import SchemaRegistrySettings
from bridge.config.source_settings import ChatServerSettings, SourcesSettings
from bridge.config.tls_settings import ClientTls, LinkTls, ListenerTls
from bridge.config.tree import (
    CaptureSettings,
    Config,
    KafkaSettings,
    LogSettings,
)
from bridge.config.ucs_settings import UcsSettings

__all__ = [
    "CaptureSettings",
    "ChatServerSettings",
    "ClientTls",
    "Config",
    "HttpSettings",
    "KafkaSettings",
    "LinkTls",
    "ListenerTls",
    "LogSettings",
    "OAuthSettings",
    "OutputSettings",
    "PrivacyRule",
    "PrivacySettings",
    "SchemaRegistrySettings",
    "SourcesSettings",
    "UcsSettings",
    "WhereSettings",
    "load",
    "origins",
]
