"""The bridge with a compiled core, as the image has it, in a process of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from tests.support.processes import Bridge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.compiled_environment import CompiledEnvironment


class CompiledBridge(Bridge):
    """A `Bridge` of the wheel in `compiled`. `wait_ready` raises RuntimeError if its core is another one."""

    environment = MappingProxyType({"PYTHONSAFEPATH": "1"})  # or the source in the working directory would come first

    def __init__(
        self,
        compiled: CompiledEnvironment,
        bootstrap_servers: str,
        log: Path,
        *,
        prefix: str,
        worker: str,
        **settings: object,
    ) -> None:
        self._python = str(compiled.python)
        super().__init__(bootstrap_servers, log, prefix=prefix, worker=worker, **settings)

    def command(self, words: list[str]) -> list[str]:
        return [self._python, *self.program, *words]

    def wait_ready(self, seconds: float = 60) -> CompiledBridge:
        super().wait_ready(seconds)
        if self.metric("chatbridge_build_info", core="compiled") != 1:
            raise RuntimeError("the core that runs is not the compiled one")
        return self
