"""What a simulated Universal Contact Server stores, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.simulator.ucs.row_treatment import Irregularities
from bridge.simulator.ucs.stored_form import StoredForm


@dataclass(slots=True, frozen=True)
class UcsOptions:
    """Where chats are stored and how. `url` and `archive_url` as SQLAlchemy's; without an archive no row moves.

    `auto_save` is the option transcript-auto-save. With `http_port` the HTTP interfaces listen there on 127.0.0.1 (0
    chooses one); with `http_user` they require basic authentication. `http_object`: Context Services answers with an
    object, not with an array.
    """

    url: str
    archive_url: str | None = None
    auto_save: int = 0
    form: StoredForm = field(default_factory=StoredForm)
    irregularities: Irregularities = field(default_factory=Irregularities)
    http_port: int | None = None
    http_object: bool = False
    http_user: str | None = None
    http_password: str = ""
