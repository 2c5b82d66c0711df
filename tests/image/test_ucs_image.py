"""The image with the extra `ucs`: built from the other one, it reads a database, and has nothing to install with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import pytest

from tests.image.image_engine import IMAGE, UCS_IMAGE
from tests.image.test_image_contents import MOST_ADDED, installers

if TYPE_CHECKING:
    from tests.image.image_engine import ImageEngine

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]
FIGURES: Final = logging.getLogger("figures")
MOST_OF_UCS: Final = 45_000_000


@pytest.fixture(scope="module")
def image(engine: ImageEngine) -> str:
    engine.build_ucs()
    return UCS_IMAGE


def test_it_adds_at_most_45_mb_to_an_image_that_has_no_room_for_them(engine: ImageEngine, image: str) -> None:
    plain, whole = engine.inspected(IMAGE)["Size"], engine.inspected(image)["Size"]
    FIGURES.info("image with the extra ucs: %d MB, %d MB more", whole // 1_000_000, (whole - plain) // 1_000_000)
    assert whole - plain <= MOST_OF_UCS < MOST_ADDED


def test_it_has_no_pip(engine: ImageEngine, image: str) -> None:
    assert installers(engine.root(image)) == []


def test_it_reads_a_database_which_the_other_image_refuses(engine: ImageEngine, image: str) -> None:
    script = (
        "import sqlite3\n"
        "from bridge.cli import main\n"
        "table = sqlite3.connect('/tmp/ucs.db')\n"
        "table.execute('CREATE TABLE interaction (id, status, mediatypeid, startdate, structuredtext)')\n"
        "table.commit()\n"
        "print('code', main(['convert', '--ucs-url', 'sqlite:////tmp/ucs.db', '--since', '2031-03-01T00:00:00Z']))\n"
        "import psycopg\n"
    )
    assert engine.inside("python", "-c", script, image=image) == "code 0"
    assert engine.inside("python", "-c", script.replace("import psycopg\n", "")) == "code 2"
