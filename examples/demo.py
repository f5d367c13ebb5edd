"""A scripted agent against a running Holdfast: `python examples/demo.py --url http://127.0.0.1:8000`.

It needs httpx and nothing of the service, prints each step with what came back, and ends with 1 at the first answer
that is not the promised one. All that it makes belongs to new organizations, so it can run again and again.
"""
# ruff: noqa: T201  (printing is what it is for)

import argparse
import json
import os
import sys

import httpx
from demonstration.agent import (
    keep_a_session,
    look_as_an_outsider,
    read_events_back,
    repeat_a_post,
    revoke,
    work_through_a_crash,
)
from demonstration.identity import keep_what_is_ones_own
from demonstration.limits import limit_itself
from demonstration.locks import share_a_lock
from demonstration.members import work_with_a_member
from demonstration.queues import consume, survive_a_killed_consumer
from demonstration.wire import Off, connected, sign_up
from demonstration.worker import KEY_VARIABLE, work


def demonstrate(url: str) -> None:
    made = sign_up(url)
    key = made["api_key"]["key"]
    with connected(url, key) as agent:
        session = keep_a_session(agent)
        task = work_through_a_crash(agent, url, key)
        read_events_back(agent, task)
        repeat_a_post(agent)
        limit_itself(agent)
        look_as_an_outsider(url, session, task)
        work_with_a_member(agent, url)
        keep_what_is_ones_own(agent, url)
        survive_a_killed_consumer(agent, url, key)
        share_a_lock(agent)
        revoke(agent, made["api_key"]["id"])
    print("Everything was as promised.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a scripted agent against a running Holdfast.")
    parser.add_argument("role", nargs="?", choices=["agent", "worker", "consumer"], default="agent")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=0, help="how long a worker thinks")
    options = parser.parse_args()
    try:
        if options.role == "worker":
            work(options.url, os.environ[KEY_VARIABLE], options.seconds)
        elif options.role == "consumer":
            consume(options.url, os.environ[KEY_VARIABLE], options.seconds)
        else:
            demonstrate(options.url)
    except httpx.ConnectError:
        print(f"Nothing answers at {options.url}: start it with `make up`.", file=sys.stderr)
    except httpx.HTTPError as problem:
        print(f"The service broke off or did not answer in time: {problem!r}.", file=sys.stderr)
    except json.JSONDecodeError:
        print(f"What answers at {options.url} does not speak JSON: is it Holdfast?", file=sys.stderr)
    except Off as problem:
        print(f"Something is off. {problem}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
