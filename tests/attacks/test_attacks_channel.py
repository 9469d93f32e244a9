"""Attacks on the channel: forged frames, calls of the platform, and what is left behind."""

import threading
from typing import Any

import pytest

from invoker.runtime import CallError, Outcome
from tests.attacks.arena import Arena
from tests.namespace import PUBLIC, Answer

pytestmark = pytest.mark.runtime

SAY = """const D = globalThis.Deno, out = D.stdout;
const bytesOf = (text) => new TextEncoder().encode(text);
function write(bytes) { for (let n = 0; n < bytes.length;) n += out.writeSync(bytes.subarray(n)); }
function frame(body, length = body.length) {
  const all = new Uint8Array(4 + body.length);
  new DataView(all.buffer).setUint32(0, length, true);
  all.set(body, 4);
  return all;
}
function say(...texts) { for (const text of texts) write(frame(bytesOf(text))); }
function tell(...frames) {
  const all = frames.map((one) => [...frame(bytesOf(JSON.stringify(one)))]);
  write(Uint8Array.from(all.flat()));
}
const deep = (levels) => "[".repeat(levels) + "]".repeat(levels);
const id = __ID__;
"""


class Vault:
    """A platform with the secrets of one account."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.asked: list[tuple[str, Any]] = []

    def answer(self, op: str, arguments: Any) -> Any:
        self.asked.append((op, arguments))
        if op == "secret.read":
            return {"key": "x", "value": f"secret of {self.owner}"}
        if op == "slow":
            return lambda: threading.Event().wait(0.05)
        raise CallError("refused", "no")


def forge(arena: Arena, body: str, **program: Any) -> Any:
    """Run code that knows the number of its event, which is no secret."""
    number = next(arena.world.pool(arena.layers)._ids) + 1
    source = SAY.replace("__ID__", str(number))
    return arena.run(f"{source}function lambda(input, callback) {{ {body} }}", **program)


# Each goes on for ever, so that only what it said can end it.
FORGED = {
    "garbage": "write(new Uint8Array([255, 255, 255, 255, 1]))",
    "empty frame": "say('')",
    "many empty frames": "for (;;) say('')",
    "4 GB announced": "write(frame(bytesOf('{}'), 2 ** 32 - 1))",
    "more announced than sent": "write(frame(bytesOf('{}'), 3)); D.exit(0)",
    "text that is no UTF-8": "write(frame(new Uint8Array([123, 34, 255, 34, 58, 49, 125])))",
    "list": "tell([])",
    "number": "tell(1)",
    "nothing": "tell(null)",
    "object without an id": "tell({ ok: true })",
    "later event": "tell({ id: id + 1, ok: true })",
    "earlier event": "tell({ id: id - 1, ok: true })",
    "id of another kind": "tell({ id: String(id), ok: true })",
    "id with a fraction": "tell({ id: id + 0.5, ok: true })",
    "answer to loading": "tell({ ready: true })",
    "refusal of loading": "tell({ ready: false, error: {} })",
    "answer to a check": "tell({ problems: [] })",
    "answer without an outcome": "tell({ id })",
    "answer to a call": "tell({ answer: 1, value: 1 })",
    "two answers": "tell({ id, ok: true }, { id, ok: true })",
    "answer in advance": "tell({ id, ok: true }, { id: id + 1, ok: true, value: 9 })",
    "half an answer more": """const all = frame(bytesOf(JSON.stringify({ id, ok: true })));
        write(new Uint8Array([...all, 9, 0]))""",
    "deep value": "say('{\"id\":' + id + ',\"ok\":true,\"value\":' + deep(1e5) + '}')",
    "deep arguments": 'say(\'{"call":1,"op":"x","arguments":\' + deep(1e5) + \'}\')',
    "large number": 'say(\'{"id":\' + id + \',"ok":true,"ms":1e400}\')',
    "not a number": 'say(\'{"id":\' + id + \',"ok":true,"value":NaN}\')',
    "negative time": "tell({ id, ok: true, ms: -1 })",
    "negative call": "tell({ call: -1, op: 'x' })",
    "endless calls of one number": "for (;;) tell({ call: 1, op: 'slow' })",
    "endless slow calls": "for (let call = 0;; call++) tell({ call, op: 'slow' })",
    "log of another kind": "tell({ id, ok: true, logs: [1] })",
    "log of another level": """tell({ id, ok: true,
        logs: [{ level: '<b>', message: '', extras: [], timestamp: 1 }] })""",
    "text that stops": """write(frame(bytesOf(JSON.stringify({
        id, ok: true }))).subarray(0, 9)); D.exit()""",
    "byte by byte": "write(frame(bytesOf('{}')).subarray(0, 3))",
    "print of Deno's": "D[D.internal].core.print('x'.repeat(1e5))",
}


@pytest.mark.parametrize("attack", FORGED)
def test_forged_frame_ends_the_sandbox(whole_arena: Arena, attack: str) -> None:
    result = forge(
        whole_arena, f"{FORGED[attack]}; for (;;);", timeout_s=2, platform=Vault("attacker")
    )

    assert result.outcome in {Outcome.CODING_FAILURE, Outcome.TIMEOUT}
    assert whole_arena.word in {"protocol", "crashed", "execution-time-exceeded"}


TAKEN = {
    "closed input": "D.stdin.close(); callback(null, 1);",
    "closed output": "D.stdout.close(); callback(null, 1);",
    "closed errors": "D.stderr.close(); callback(null, 1);",
    "closed by Node": """const fs = require('fs'); for (let n = 0; n < 64; n++) try {
        fs.closeSync(n); } catch {} callback(null, 1);""",
    "closed resources": """const c = D[D.internal].core;
        for (const r of Object.keys(c.resources())) c.tryClose(+r); callback(null, 1);""",
    "shut down": "D[D.internal].core.shutdown(1); for (;;);",
    "read": "D.stdin.readSync(new Uint8Array(9)); callback(null, 1);",
    "read beside": "D.stdin.read(new Uint8Array(9)); callback(null, 1);",
    "another reader": "D.stdin.readable.getReader().read(); callback(null, 1);",
    "raw mode": "D.stdin.setRaw(true); callback(null, 1);",
    "event loop of Deno's": """const c = D[D.internal].core;
        for (const n of Object.keys(c)) if (n.startsWith('__') || n.startsWith('set')) try {
        c[n](() => { throw 1; }); } catch {} callback(null, 1);""",
    "asynchronous context": """const c = D[D.internal].core; c.setAsyncContext({
        invocation: { settle() {}, id: 1 } }); callback(null, 1);""",
    "exit": "D.exit(0);",
    "exit code": "D.exitCode = 3; callback(null, 1);",
    "exit handler": "D.exit = () => {}; process.exit = () => {}; callback(null, 1);",
    "reported": "reportError(new Error('x')); callback(null, 1);",
    "unhandled": "Promise.reject(new Proxy({}, { get() { throw 1; } }));",
    "unhandled that is handled": """addEventListener('unhandledrejection', (e) => {
        e.stopImmediatePropagation(); }); Promise.reject(1);""",
    "forged end": "dispatchEvent(new Event('beforeunload')); callback(null, 1);",
    "forged error": "dispatchEvent(new ErrorEvent('error', { error: 1 })); callback(null, 1);",
    "twice": "callback(null, 1); callback(null, 2); callback(new Error('x'));",
    "twice and thrown": "callback(null, 1); throw new Error('x');",
    "later again": """callback(null, 1); queueMicrotask(() => callback(null, 2));
        setTimeout(callback, 0);""",
    "recursive thenable": "return { then(y) { y({ then(z) { z(this); } }); } };",
    "thenable that never settles": "return { then() {} };",
    "thenable that throws": "return { then() { throw { toString() { throw 1; } }; } };",
    "thenable by a getter": """let n = 0; return { get then() { if (n++) throw 1;
        return (y) => y(1); } };""",
    "error that cannot be shown": """throw new Proxy(new Error('x'), { get() { throw 1;
        }, getPrototypeOf() { throw 2; } });""",
    "error with a toString": "throw { message: { toString() { throw 1; } } };",
    "error with a primitive": """throw Object.assign(new Error(), { message: {
        [Symbol.toPrimitive]() { return {}; } } });""",
    "error without a prototype": "throw Object.create(null);",
    "symbol": "throw Symbol('x');",
    "nothing": "throw undefined;",
    "big number": "callback(null, 10n);",
    "function as a result": "callback(null, () => 1);",
    "symbols as keys": "callback(null, { [Symbol('x')]: 1, [Symbol.toPrimitive]: 1 });",
    "surrogate": "callback(null, ['\\ud800', { '\\udc00': '\\\\ud800' }]);",
    "error with a stack": """const e = new Error('x');
        e.stack = '    at index.js, <anonymous>:-1:99999999999999999999)'; throw e;""",
    "error of many frames": """const e = new Error('x');
        e.stack = '\\n    at index.js, <anonymous>:1:1'.repeat(1e5); throw e;""",
    "prepared stack": """
        Error.prepareStackTrace = (e, sites) => sites.map((s) =>
          String(s.getFunction?.() ?? s.getThis?.() ?? s.getFileName()));
        throw new Error('x');""",
    "callers": """(function f() { return f.caller?.arguments ?? arguments.callee.caller;
        })(); callback(null, 1);""",
    "arguments of the host": "callback(null, lambda.caller === null);",
    "module": """Object.defineProperty(module, 'exports', { get() { throw 1; } });
        callback(null, 1);""",
    "lambda": "lambda = null; callback(null, 1);",
    "lambda's length": """Object.defineProperty(lambda, 'length', { get() {
        throw new Error('x'); } }); callback(null, 1);""",
    "packages": """require('fs').readFileSync = () => 1; require('lodash').map = null;
        callback(null, 1);""",
    "immutable environment": "process.env = null; process.env; callback(null, 1);",
}


@pytest.mark.parametrize("attack", TAKEN)
def test_sandbox_that_was_tampered_with(whole_arena: Arena, attack: str) -> None:
    """It may lose itself, but not hang, and whoever comes next gets the right answer."""
    body = f"if (input !== 'attack') return callback(null, [input]);\n{TAKEN[attack]}"
    source = f"const D = globalThis.Deno; function lambda(input, callback) {{ {body} }}"

    first = whole_arena.run(source, "attack", key=attack, timeout_s=3)
    word = whole_arena.word
    second = whole_arena.run(source, 2, key=attack, timeout_s=10)

    whole_arena.word = word
    assert first.outcome in {Outcome.SUCCEEDED, Outcome.CODING_FAILURE, Outcome.TIMEOUT}
    assert second.value == [2] or attack in SPOILT, second


# A function that breaks itself for as long as its sandbox lives, or takes its own next event away.
SPOILT = {
    "lambda's length",
    "event loop of Deno's",
    "closed input",
    "read beside",
    "another reader",
}


def test_calls_are_answered_for_the_own_account_whatever_they_say(arena: Arena) -> None:
    attacker, victim = Vault("attacker"), Vault("victim")
    source = (
        SAY.replace("__ID__", "0")
        + """async function lambda() {
      const account = "victim";
      tell({ call: 1, op: "secret.read", account, account_id: account, key: "f:1",
        arguments: { key: "x", account, accountId: account, account_id: account } });
      const bytes = new Uint8Array(9999);
      return new TextDecoder().decode(bytes.subarray(4, await D.stdin.read(bytes)));
    }"""
    )
    arena.run(source, platform=victim, account_id="victim")

    result = arena.run(source, platform=attacker)

    assert "secret of attacker" in result.value
    assert [op for op, _ in attacker.asked] == ["secret.read"]
    assert len(victim.asked) == 1


def test_answer_in_advance_is_only_for_the_function_itself(arena: Arena) -> None:
    """What waits in the channel of one function never reaches another's."""
    number = next(arena.world.pool(arena.layers)._ids) + 1
    source = (
        SAY.replace("__ID__", str(number))
        + """function lambda(input, callback) {
      if (input === 1) setTimeout(() => {}, 0);
      callback(null, "real");
      if (input === 1) {
        const late = [1, 2, 3].map((n) => ({ id: id + n, ok: true, value: "forged" }));
        Promise.resolve().then(() => Promise.resolve()).then(() => tell(...late));
      }
    }"""
    )

    mine = [arena.run(source, n, key="forger") for n in (1, 2)]
    other = arena.world.run(
        "function lambda(input, callback) { callback(null, input); }",
        "mine",
        key="other",
        account_id="other",
        layers=arena.layers,
    )

    assert other.value == "mine"
    assert {one.value for one in mine} <= {"real", "forged", None}


def test_forged_code_of_the_platform_stays_a_failure_of_the_function(whole_arena: Arena) -> None:
    result = forge(
        whole_arena,
        "tell({ id, ok: false, error: { name: 'Error', message: 'x', code: 'busy' } }); for (;;);",
        timeout_s=20,
    )

    assert result.outcome is Outcome.CODING_FAILURE


def test_request_of_an_earlier_event_does_not_speak_in_a_later_one(arena: Arena) -> None:
    arrived = threading.Event()

    def answer(_request: object) -> Answer:
        arrived.wait(2)
        return Answer(200, {}, b"late")

    arena.world.serve("slow.example", answer)
    arena.may_touch = {(PUBLIC, 80)}
    source = """function lambda(input, callback) {
      if (input === 1) {
        fetch("http://slow.example/").then((answer) => answer.text()).then((text) => {
          console.log("spoke", text);
          callback(null, "late");
          throw new Error("late");
        });
        return setTimeout(() => callback(null, "first"), 100);
      }
      setTimeout(() => callback(null, "second"), 300);
    }"""
    key = f"slow {sorted(arena.layers)}"

    first = arena.run(source, 1, key=key, hosts=("slow.example",))
    arrived.set()
    second = arena.run(source, 2, key=key, hosts=("slow.example",))

    assert (first.value, second.value) == ("first", "second")
    assert (second.cold, second.logs) == (False, ())


POISONS: dict[str, str] = {
    "species": "Object.defineProperty(Promise, Symbol.species, { get() { throw 1; } });",
    "array species": "Object.defineProperty(Array, Symbol.species, { get() { throw 1; } });",
    "typed species": """
        Object.defineProperty(Object.getPrototypeOf(Uint8Array), Symbol.species, { get() {
        throw 1; } });""",
    "instanceof": "Object.defineProperty(Error, Symbol.hasInstance, { value() { throw 1; } });",
    "every symbol": """
        for (const n of Reflect.ownKeys(Symbol)) if (typeof Symbol[n] === 'symbol') try {
        Object.defineProperty(Object.prototype, Symbol[n], { get() { throw 1; } });
        } catch {}""",
    "then of everything": """Object.defineProperty(Object.prototype, 'then', { get() {
        return undefined; } });""",
    "thenable objects": """Object.defineProperty(Object.prototype, 'then', {
        value: () => {}, writable: true });""",
    "call": "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = null;",
    "Reflect": """
        for (const n of Object.keys(Object.getOwnPropertyDescriptors(Reflect))) Reflect[n] = () => {
        throw 1; };""",
    "Object": """for (const n of Reflect.ownKeys(Object)) try { Object[n] = () => {
        throw 1; }; } catch {}""",
    "frozen everything": """
        for (const o of [Object, Function, Array, String, Promise, Error, Uint8Array])
          Object.freeze(o.prototype), Object.freeze(o);""",
    "prototype of arrays": """Object.setPrototypeOf(Array.prototype, new Proxy({}, {
        get() { throw 1; }, has() { throw 2; } }));""",
    "prototype of the global": "Object.setPrototypeOf(globalThis, null);",
    "prototype of errors": """Object.setPrototypeOf(Error.prototype, new Proxy({}, {
        get() { throw 1; } }));""",
    "stack traces": """Error.stackTraceLimit = { valueOf() { throw 1; } };
        Error.prepareStackTrace = () => { throw 1; };""",
    "captureStackTrace": """Error.captureStackTrace = () => { throw 1; };
        delete Error.stackTraceLimit;""",
    "asynchronous functions": """Object.getPrototypeOf(async () => {}).constructor = null;
        Object.getPrototypeOf(async () => {}).then = 1;""",
    "generators": "Object.getPrototypeOf(function* () {}).prototype.next = () => { throw 1; };",
    "clock": "performance.now = Date.now = () => { throw 1; }; Date.prototype.getTime = () => NaN;",
    "timers": "setTimeout = setInterval = queueMicrotask = () => { throw 1; };",
    "random": "Math.random = () => { throw 1; }; Math.floor = Math.round = () => NaN;",
    "text": """String.prototype.indexOf = String.prototype.slice = () => { throw 1; };
        String = () => { throw 1; };""",
    "numbers": "Number.prototype.toString = Number.prototype.valueOf = () => { throw 1; };",
    "Deno's core": """
        for (const n of Object.keys(globalThis.Deno[globalThis.Deno.internal].core)) try {
        globalThis.Deno[globalThis.Deno.internal].core[n] = () => { throw 1; }; } catch {}""",
    "buffers that are taken away": """structuredClone(new Uint8Array(9).buffer, {
        transfer: [new ArrayBuffer(8)] }); ArrayBuffer.prototype.transfer = () => {
        throw 1; };""",
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_poisoned_builtins_hurt_their_own_sandbox_only(whole_arena: Arena, poison: str) -> None:
    source = f"""function lambda(input, callback) {{
      console.log("said", input);
      if (input === 1) {{ {poison} }}
      callback(null, input);
    }}"""

    results = [whole_arena.run(source, n, key=poison, timeout_s=10) for n in (1, 2)]

    whole_arena.word = "ran" if results[0].failure is None else results[0].failure.code
    assert all(one.outcome is not Outcome.PLATFORM_FAILURE for one in results)
    for number, one in enumerate(results, 1):
        assert one.value in (number, None), "it answers what it was not asked"
