import json
from types import SimpleNamespace

import pytest
from supervisor import events

from operations.output import Output

_ANNOUNCEMENT = "announcement"


def _process(name: str) -> SimpleNamespace:
    return SimpleNamespace(config=SimpleNamespace(name=name), pid=1)


def _said(output: Output, data: bytes, program: str = "web", *, stderr: bool = False) -> None:
    kind = events.ProcessLogStderrEvent if stderr else events.ProcessLogStdoutEvent
    output.hand_on(kind(_process(program), 1, data))


@pytest.fixture
def output() -> Output:
    return Output(plain=_ANNOUNCEMENT)


def test_a_json_line_is_handed_on_as_it_is(output: Output, capfd: pytest.CaptureFixture[str]) -> None:
    _said(output, b'{"message": "a"}\n{"message": "b"}\n', stderr=True)

    assert capfd.readouterr().out == '{"message": "a"}\n{"message": "b"}\n'


def test_lines_of_two_programs_do_not_mix(output: Output, capfd: pytest.CaptureFixture[str]) -> None:
    _said(output, b'{"message": ', "web")
    _said(output, b'{"message": "worker"}\n', "worker")
    _said(output, b'"web"}\n', "web")

    assert capfd.readouterr().out == '{"message": "worker"}\n{"message": "web"}\n'


@pytest.mark.parametrize(
    ("line", "stderr", "level"),
    [
        ("Traceback (most recent call last):", True, "error"),
        ("worker: Warm shutdown", False, "info"),
        ("[WARNING] Killing worker-1", False, "warning"),
        ("[INFO] Spawning worker-1", True, "info"),
    ],
)
def test_plain_text_becomes_json(
    output: Output, capfd: pytest.CaptureFixture[str], line: str, stderr: bool, level: str
) -> None:
    _said(output, f"{line}\n\n".encode(), stderr=stderr)

    [shown] = [json.loads(text) for text in capfd.readouterr().out.splitlines()]
    assert (shown["level"], shown["logger"], shown["message"]) == (level, "holdfast.web", line)


def test_the_announcement_stays_a_sentence(output: Output, capfd: pytest.CaptureFixture[str]) -> None:
    _said(output, b"Holdfast answers at http://127.0.0.1:8000\n", _ANNOUNCEMENT)

    assert capfd.readouterr().out == "Holdfast answers at http://127.0.0.1:8000\n"


def test_the_line_in_which_a_program_ends_is_handed_on(output: Output, capfd: pytest.CaptureFixture[str]) -> None:
    _said(output, b"Out of mem", stderr=True)
    assert capfd.readouterr().out == ""

    output.finish(events.ProcessStateExitedEvent(_process("web"), 20))

    assert json.loads(capfd.readouterr().out)["message"] == "Out of mem"


def test_a_line_without_end_is_handed_on_in_pieces(output: Output, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(20):
        _said(output, b"x" * (1 << 17))

    assert len(capfd.readouterr().out) > 1 << 20
