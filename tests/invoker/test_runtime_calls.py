"""What functions ask of the platform while they run. `fetch` asks first whether it may."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from invoker.runtime import CallError, Outcome, Result
from tests.invoker.sandboxes import code_of, own_supervisor, run

# Says what became of a request to a host that no function may reach.
ASKS = """async function ask() {
  try {
    return (await fetch("http://nowhere.test/")).status;
  } catch (error) {
    return [error.name, error.code ?? null, error.message];
  }
}
"""
REFUSED = "NotCapable"


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


class Answering:
    """Gives every call the same answer and remembers what was asked."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer_with = answer
        self.asked: list[tuple[str, Any]] = []

    def answer(self, op: str, arguments: Any) -> Any:
        self.asked.append((op, arguments))
        return self.answer_with()


class Slow:
    """Takes a while for every call, and counts how many it works on at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.now = self.most = 0

    def answer(self, op: str, arguments: Any) -> Any:  # noqa: ARG002
        return self._work

    def _work(self) -> bool:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return False


def ask(platform: Any, body: str = "return await ask();", **how: Any) -> Result:
    return run(f"{ASKS}async function lambda(input) {{ {body} }}", platform=platform, **how)


def refuse() -> Any:
    raise CallError("com.example.refused", "Cannot ask: not today")


def fail() -> Any:
    raise RuntimeError("a password of ours")


def test_function_gets_the_answer() -> None:
    platform = Answering(lambda: False)

    result = ask(platform)

    assert result.value == 429
    assert platform.asked == [("http.permit", {})]


def test_request_is_made_when_it_may() -> None:
    assert ask(Answering(lambda: True)).value[0] == REFUSED


def test_refusal_reaches_the_function_with_its_code() -> None:
    result = ask(Answering(refuse))

    assert result.value == ["Error", "com.example.refused", "Cannot ask: not today"]


def test_fault_of_ours_tells_the_function_nothing(caplog: pytest.LogCaptureFixture) -> None:
    result = ask(Answering(fail))

    assert result.value == ["Error", "failed", "The platform could not answer"]
    assert "a password of ours" in caplog.text


def test_answer_that_is_no_json_is_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    result = ask(Answering(lambda: {object()}))

    assert result.value == ["Error", "failed", "The platform could not answer"]
    assert "not JSON" in caplog.text


def test_long_answers_are_worked_on_at_once() -> None:
    platform = Slow(0.2)

    result = ask(platform, "return await Promise.all(Array.from({ length: 6 }, ask));")

    assert result.value == [429] * 6
    assert platform.most > 1


def test_function_goes_on_while_it_waits_for_a_long_answer() -> None:
    body = """let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await ask();
    clearInterval(timer);
    return ticks > 3;"""

    assert ask(Slow(0.3), body).value is True


def test_many_calls_in_a_row_on_a_warm_sandbox() -> None:
    body = "const all = []; for (let n = 0; n < 50; n++) all.push(await ask()); return all;"
    platform = Answering(lambda: False)

    results = [ask(platform, body, key="in a row") for _ in range(4)]

    assert [result.value for result in results] == [[429] * 50] * 4
    assert [result.cold for result in results] == [True, False, False, False]


def test_call_nobody_waits_for_is_over_before_the_next_event() -> None:
    body = "if (input === 1) { ask(); ask(); return 'left'; } return await ask();"
    platform = Slow(0.3)

    results = [ask(platform, body, key="left", event=event) for event in (1, 2)]

    assert [result.value for result in results] == ["left", 429]
    assert not results[1].cold


def test_leftover_of_an_earlier_event_cannot_ask_in_a_later_one() -> None:
    body = """if (input === 1) {
      setTimeout(async () => { globalThis.left = await ask(); }, 1);
      return null;
    }
    await new Promise((done) => setTimeout(done, 50));
    return globalThis.left;"""
    platform = Answering(lambda: False)

    results = [ask(platform, body, key="asks late", event=event) for event in (1, 2)]

    assert results[1].value == ["Error", None, "The event that asks is over"]
    assert platform.asked == []


def test_time_is_over_while_an_answer_is_awaited() -> None:
    result = ask(Slow(2), timeout_s=0.3)

    assert (result.outcome, code_of(result)) == (Outcome.TIMEOUT, "execution-time-exceeded")


def test_function_that_ends_itself_while_it_waits_has_failed() -> None:
    result = ask(Slow(0.5), "ask(); setTimeout(() => process.exit(), 20); await ask();")

    assert code_of(result) == "process-exit"


def test_flood_of_calls_is_refused_and_fails_nobody() -> None:
    body = """const all = await Promise.all(Array.from({ length: 1500 }, ask));
    return all.filter((one) => one[1] === "too-many-calls").length;"""
    platform = Answering(lambda: False)

    result = ask(platform, body)

    assert result.value == 500
    assert len(platform.asked) == 1000


@pytest.mark.parametrize(("count", "platform"), [(5000, Answering(lambda: True)), (80, Slow(1))])
def test_flood_that_goes_round_the_host_ends_the_sandbox_only(count: int, platform: Any) -> None:
    frame = '{"call":NUMBER,"op":"http.permit","arguments":{}}'
    body = f"""for (let n = 1; n <= {count}; n++) {{
      const body = new TextEncoder().encode('{frame}'.replace("NUMBER", n));
      const whole = new Uint8Array(body.length + 4);
      whole[0] = body.length;
      whole.set(body, 4);
      require("fs").writeSync(1, whole);
    }}"""

    result = ask(platform, body, timeout_s=5)

    assert code_of(result) in {"protocol", "crashed", "execution-time-exceeded"}
    assert ask(Answering(lambda: False)).value == 429


def test_large_answers_go_through() -> None:
    text = "x" * 300_000
    body = "return (await ask())[2].length;"

    def refuse_at_length() -> Any:
        raise CallError("long", text)

    assert ask(Answering(refuse_at_length), body).value == len(text)


def test_threads_get_their_own_answers() -> None:
    def one(number: int) -> bool:
        def refuse_with_number() -> Any:
            raise CallError("mine", str(number))

        platform = Answering(refuse_with_number)
        result = ask(platform, "return (await ask())[2];", key=f"own {number % 3}")
        return bool(result.value == str(number))

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(one, range(60)))


def test_module_may_ask_at_its_top_level() -> None:
    platform = Answering(lambda: False)
    source = f"{ASKS}const first = await ask();\nexport const lambda = () => first;"

    assert run(source, platform=platform).value == 429


def test_run_without_a_platform_is_told_so() -> None:
    assert run(f"{ASKS}const lambda = ask;").value[0] == REFUSED
