#!/usr/bin/env python
"""Run a command of Holdfast, with the servers that it needs."""

import os
import sys
from importlib import import_module

from config.environment import BadSetting
from operations import embedded


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        # `up` starts the servers that the settings need, so it comes before them.
        if sys.argv[1:] == ["up"]:
            _check_settings()
            _run_service()
        with embedded.prepared(sys.argv, os.environ):
            _run_command()
    except (embedded.CannotStart, BadSetting) as problem:
        sys.exit(f"manage.py: {problem}")


def _check_settings() -> None:
    """Refuse a bad setting before anything starts; in the processes of the service it would be refused for ever."""
    with embedded.pretended(os.environ):
        import_module(os.environ["DJANGO_SETTINGS_MODULE"])


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
