"""Wait until the service answers, say what it still waits for, and print where it is."""

import sys
import time
import urllib.error
import urllib.request

_PAUSE = 0.1
_SAY_SO_EVERY = 3.0
_SHOWN = 300

_WHERE = """\
Holdfast answers at {url}
  API docs   {url}/api/v1/docs
  Admin      {url}/admin/
  API keys   printed at the first start; `.venv/bin/python manage.py createapikey default` makes another
Ctrl-C stops it."""


def main(url: str) -> None:
    started = said = time.monotonic()
    while missing := _missing(f"{url}/ready"):
        now = time.monotonic()
        if now - said >= _SAY_SO_EVERY:
            said = now
            print(f"Waiting for the service, {now - started:.0f} s ({missing}) ...", flush=True)
        time.sleep(_PAUSE)
    print(_WHERE.format(url=url), flush=True)


def _missing(url: str) -> str:
    """Answer what is missing, empty when the service is ready."""
    try:
        # Whatever proxy the environment names, this is our own machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5):
            return ""
    except urllib.error.HTTPError as refused:
        with refused:
            body = refused.read(_SHOWN).decode(errors="replace")
            return " ".join(f"{refused.code} {body}".split())
    except OSError:
        return "no answer yet"


if __name__ == "__main__":
    main(sys.argv[1])
