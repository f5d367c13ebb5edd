"""Print the address of the database that runs in this installation: `python -m operations.embedded.address`."""

import os
import sys
from pathlib import Path

from operations.embedded.errors import CannotStart
from operations.embedded.paths import Var, var_from
from operations.embedded.postgres import Postgres


def running_database(var: Path) -> str:
    """Return the URL of the PostgreSQL that runs in the folder. Raises CannotStart where none does."""
    engine = Postgres(Var(var))
    port = engine.published()
    # A server that was killed has left its port behind.
    if port is None or not engine.answers(port):
        raise CannotStart(f"No PostgreSQL runs in {var}: start it with `make up`.")
    return engine.url(port)


if __name__ == "__main__":
    try:
        print(running_database(var_from(os.environ)))
    except CannotStart as problem:
        sys.exit(str(problem))
