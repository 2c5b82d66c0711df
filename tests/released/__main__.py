"""`python -m tests.released`: add today's schemas to `schemas/released/` as those of the version in pyproject.toml.

Once per version, with the commit that releases it; they are never changed afterwards.
"""

from __future__ import annotations

import sys

from tests.released.released_folder import SCHEMAS, ReleaseRefused, freeze, problems, version_of_project


def main() -> int:
    version = version_of_project()
    try:
        added = freeze(SCHEMAS, version)
    except ReleaseRefused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{path.relative_to(SCHEMAS.parent)}\n" for path in added)
    found = problems(SCHEMAS, version)
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
