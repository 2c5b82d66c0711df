"""Writes what is made from elsewhere: the settings in values.schema.json, the chart's copies, and deploy/kubernetes."""

from __future__ import annotations

import shutil

from tests.deploy.rendered_chart import CHART, MANIFESTS, SCHEMA, included_files, manifests, values_schema


def main() -> None:
    SCHEMA.write_text(values_schema(), "utf-8")
    shutil.rmtree(CHART / "files", ignore_errors=True)
    for copy, source in included_files().items():
        if source.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    for name, text in manifests().items():
        (MANIFESTS / name).write_text(text, "utf-8")


main()
