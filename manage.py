#!/usr/bin/env python
"""Run a command of Holdfast, with the servers that it needs."""

import os
import sys

from operations import embedded


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # `up` starts the servers that the settings need, so it comes before them.
    if sys.argv[1:] == ["up"]:
        _run_service()
    try:
        with embedded.prepared(sys.argv, os.environ):
            _run_command()
    except embedded.CannotStart as problem:
        sys.exit(f"manage.py: {problem}")


def _run_service() -> None:
    # Imported here: other commands run without supervisord installed.
    from operations import startup

    sys.exit(startup.main())


def _run_command() -> None:
    # Imported here: `up` never loads Django.
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
