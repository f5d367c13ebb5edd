import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.operations.service import PATIENCE, Service, free_port
from tests.service.live import CHECKOUT

DEMO = CHECKOUT / "examples" / "demo.py"
STEPS = DEMO.parent / "demonstration"


class _Agreeable(BaseHTTPRequestHandler):
    """Answers every POST with 200 and an empty object: no Holdfast."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *words: object) -> None:
        return


@pytest.fixture
def impostor() -> Iterator[int]:
    """The port of something else that speaks HTTP."""
    with HTTPServer(("127.0.0.1", 0), _Agreeable) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _run(folder: Path, port: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(DEMO), "--url", f"http://127.0.0.1:{port}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)


def test_the_demo_finds_everything_as_promised(service: Service, tmp_path: Path) -> None:
    done = _run(tmp_path, service.port)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Everything was as promised."


def test_without_a_service_the_demo_says_how_to_start_it(tmp_path: Path) -> None:
    port = free_port()

    done = _run(tmp_path, port)

    assert done.returncode == 1
    assert done.stderr == f"Nothing answers at http://127.0.0.1:{port}: start it with `make up`.\n"


def test_an_answer_that_is_not_the_promised_one_fails_the_demo(impostor: int, tmp_path: Path) -> None:
    done = _run(tmp_path, impostor)

    assert done.returncode == 1
    assert done.stderr == "Something is off. POST /signup answered 200 where 201 was due: {}\n"


def test_the_demo_needs_only_httpx_and_the_standard_library() -> None:
    trees = [ast.parse(path.read_text()) for path in (DEMO, *STEPS.glob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]

    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"httpx", STEPS.name}
