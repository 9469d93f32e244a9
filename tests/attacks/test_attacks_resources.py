"""Attacks on time, memory and the places of others: each ends its own sandbox and no more."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.attacks.arena import NEIGHBOUR, Arena, children

pytestmark = pytest.mark.runtime

PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
# Of a sandbox with 256 MB of heap and 96 MB of buffers, with the program itself.
MOST_MB = 512

TIMEOUT, MEMORY = "execution-time-exceeded", "memory-exceeded"
# What a bomb may end in: which limit it meets first is up to the engine.
BOMB = {MEMORY, "crashed", "runtime-exception", "custom-failure", "result-too-large",
        "result-not-json"}  # fmt: skip
LOOPS = {
    "endless loop": "for (;;);",
    "endless loop that waits": "(async () => { for (;;) await null; })();",
    "microtasks": "(function again() { queueMicrotask(again); })();",
    "ticks": "(function again() { process.nextTick(again); })();",
    "real ticks": """const p = require('node:timers'); (function again() {
        p.setImmediate(again); })();""",
    "timers": "(function again() { setTimeout(again, 0); })();",
    "regular expression": "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60));",
    "look-behind": """
        /(?<=^(([a-z])+.)+)[A-Z]$/.test('a'.repeat(60) + 'A!');
        /^(a|a)*$/.test('a'.repeat(60) + 'b');""",
    "toJSON": "callback(null, { toJSON() { for (;;); } });",
    "getter of the result": "callback(null, { get a() { for (;;); } });",
    "proxy of the result": "callback(null, new Proxy({}, { ownKeys() { for (;;); } }));",
    "toString of the error": "callback({ get message() { for (;;); } });",
    "thrown getter": "throw { get message() { for (;;); } };",
    "stack": """const e = new Error(); Object.defineProperty(e, 'stack', { get() {
        for (;;); } }); throw e;""",
    "prepareStackTrace": "Error.prepareStackTrace = () => { for (;;); }; throw new Error('x');",
    "logged getter": "console.log('x', { get a() { for (;;); } }); callback();",
    "thenable": "return { then() { for (;;); } };",
    "iterator": "for (const x of { [Symbol.iterator]: () => ({ next: () => ({ value: 1 }) }) });",
    "generator": "[...(function* () { for (;;) yield; })()];",
    "wait on memory": "Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0);",
    "WebAssembly": """const loop = Uint8Array.from([
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2,
        1, 0, 8, 1, 0, 10, 9, 1, 7, 0, 3, 64, 12, 0, 11, 11]);
        new WebAssembly.Instance(new WebAssembly.Module(loop));""",
    "big numbers": "let n = 3n; for (;;) n **= 3n, n %= 7n ** 50000n;",
    "sort": "Array.from({ length: 9 }).fill(1).sort(() => { for (;;); });",
    "another context": "require('vm').runInNewContext('for(;;);', {}, { timeout: 1e9 });",
    "asynchronous hook": """const { AsyncLocalStorage } = require('async_hooks');
        new AsyncLocalStorage().run(1, async function again() { for (;;) await 1; });""",
    "password hash": "require('crypto').pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512');",
    "prime": "require('crypto').generatePrimeSync(16384, { safe: true });",
    "compression": """const zlib = require('zlib'); const text = Buffer.alloc(1e7, 'ab');
        for (;;) zlib.brotliCompressSync(text);""",
    "promise that waits for a timer": "setInterval(() => {}, 10);",
}
BOMBS = {
    "heap": "const all = []; for (;;) all.push({ a: [1, 2, 3] });",
    "long array": "const a = []; for (;;) a.push(...Array(1e5).fill(1.5));",
    "texts": """let t = 'x'; const all = []; for (let n = 0;;
        n++) all.push((t + n).repeat(1e6) + n);""",
    "flat texts": "let t = 'ab'; for (;;) { t += t; t.charCodeAt(t.length - 1); JSON.parse('1'); }",
    "buffers": "const all = []; for (;;) all.push(new Uint8Array(16 << 20).fill(1));",
    "Node's buffers": "const all = []; for (;;) all.push(Buffer.alloc(16 << 20, 1));",
    "unsafe buffers": "const all = []; for (;;) all.push(Buffer.allocUnsafeSlow(8 << 20).fill(2));",
    "resizable buffer": """const all = [];
        for (;;) { const b = new ArrayBuffer(8, { maxByteLength: 1 << 26 }); b.resize(1 << 26);
          new Uint8Array(b).fill(1); all.push(b); }""",
    "shared buffers": """const all = [];
        for (;;) all.push(new Uint8Array(new SharedArrayBuffer(1 << 24)).fill(1));""",
    "WebAssembly memory": """const all = [];
        for (;;) { const m = new WebAssembly.Memory({ initial: 256, maximum: 65536 });
          new Uint8Array(m.buffer).fill(1); m.grow(256); all.push(m); }""",
    "WebAssembly growth": """const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
        for (;;) { m.grow(64); new Uint8Array(m.buffer).fill(1); }""",
    "WebAssembly shared": """
        const m = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
        for (;;) { m.grow(64); new Uint8Array(m.buffer).fill(1); }""",
    "WebAssembly tables": """const all = [];
        for (;;) all.push(new WebAssembly.Table({ initial: 1e7, element: 'anyfunc' }));""",
    "maps": "const m = new Map(); for (let n = 0;; n++) m.set(n, { n });",
    "closures": "let f = () => 1; for (;;) { const g = f; f = () => g() + 1; }",
    "promises": "const all = []; for (;;) all.push(new Promise(() => {}).then(() => 1));",
    "thenables": """(function then(resolve) { resolve({ then });
        })(Promise.resolve.bind(Promise)); for (;;) Promise.resolve({ then(r) { r(this);
        } });""",
    "symbols": "const all = []; for (let n = 0;; n++) all.push(Symbol.for('s' + n));",
    "code": """for (let n = 0;;
        n++) (globalThis.all ??= []).push(new Function('return ' + 'x+'.repeat(1e4) + n));""",
    "regular expressions": """globalThis.all = []; for (let n = 0;; n++) {
        const r = new RegExp('(' + 'a|'.repeat(3e4) + n + ')'); r.test('b'); all.push(r); }""",
    "big number": "let n = 2n; for (;;) n *= n;",
    "cloning": """let a = Array(1e6).fill({ a: 1 });
        for (const all = [];;) all.push(structuredClone(a));""",
    "join": "const a = Array(1e5).fill('x'.repeat(1e5)); a.join('').charCodeAt(5);",
    "padding": """const all = []; for (;;) { const t = 'x'.padEnd(5e8, 'yz');
        t.charCodeAt(9); all.push(t + 1); }""",
    "sparse array": "const a = []; a[2 ** 32 - 2] = 1; a.fill(1); a.sort();",
    "views": "const all = []; const b = new ArrayBuffer(8); for (;;) all.push(new DataView(b));",
    "locales": """const all = []; for (let n = 0;;
        n++) all.push(new Intl.DateTimeFormat('de-u-nu-arab', {
        timeZone: 'Europe/Berlin', dateStyle: 'full' }), new Intl.Collator('zh'),
        new Intl.NumberFormat('ar'));""",
    "hashes": """const all = [];
        for (;;) all.push(require('crypto').createHash('sha512').update('x'.repeat(1e5)));""",
    "decompression": """const zlib = require('zlib');
        const small = zlib.gzipSync(Buffer.alloc(6e7)); const all = [];
        for (;;) all.push(zlib.gunzipSync(small, { maxOutputLength: 1e9 }));""",
    "scrypt": """require('crypto').scryptSync('a', 'b', 64, {
        N: 2 ** 21, r: 8, p: 1, maxmem: 2 ** 32 });""",
    "result": "callback(null, 'x'.repeat(50e6));",
    "wide result": "callback(null, Array(1e7).fill(0));",
    "deep result": "let a = []; for (let n = 0; n < 1e5; n++) a = [a]; callback(null, a);",
    "circular result": "const a = {}; a.a = a; callback(null, a);",
    "recursion": "(function f() { f(); })();",
    "deep error": "const e = new Error('x'); e.cause = e; e.message = 'y'.repeat(1e9);",
    "deep expression": "eval('('.repeat(1e6));",
    "deep JSON": "JSON.parse('['.repeat(1e7));",
    "streams": """const all = []; for (;;) { const s = new ReadableStream({ start(c) {
        c.enqueue(new Uint8Array(1e6).fill(1)); } }); all.push(s); }""",
    "blobs": "const all = []; for (;;) all.push(new Blob([new Uint8Array(1e7).fill(1)]));",
    "URLs of blobs": "for (;;) URL.createObjectURL(new Blob([new Uint8Array(1e7).fill(1)]));",
    "descriptors": """const D = globalThis.Deno, all = [];
        for (;;) all.push(D.openSync('/dev/null'));""",
    "finalizers": """const r = new FinalizationRegistry(() => { for (;;); });
        for (const all = [];;) { r.register({}, all); all.push([1, 2, 3]); }""",
    "measurements": "for (let n = 0;; n++) performance.mark('m'.repeat(1000) + n);",
    "errors": """Error.stackTraceLimit = Infinity; const all = [];
        for (;;) (function f(n) { n ? f(n - 1) : all.push(new Error('x').stack); })(2000);""",
    "messages": """const { port1 } = new MessageChannel();
        for (;;) port1.postMessage('x'.repeat(1e6));""",
    "listeners": "for (;;) addEventListener('x', () => {});",
    "V8's own limit": """const v8 = await import('node:v8');
        v8.setFlagsFromString('--max-old-space-size=4096');
        v8.setFlagsFromString('--max-heap-size=8192');
        const all = []; for (;;) all.push(new Array(1e5).fill(all.length + 0.5));""",
}


def source(body: str) -> str:
    return f"{'async ' if 'await' in body else ''}function lambda(input, callback) {{ {body} }}"


def outcomes(arena: Arena, attacks: dict[str, str], *, timeout_s: float, at_once: int) -> set[str]:
    """Run attacks beside each other and tell the table how each ended."""

    def run(attack: str) -> str:
        result = arena.run(source(attacks[attack]), timeout_s=timeout_s)
        return result.failure.code if result.failure else "ran"

    with ThreadPoolExecutor(at_once) as threads:
        arena.words = dict(zip(attacks, threads.map(run, attacks), strict=True))
    return set(arena.words.values())


def test_loops_end_in_time(arena: Arena) -> None:
    assert outcomes(arena, LOOPS, timeout_s=0.7, at_once=6) == {TIMEOUT}


@pytest.mark.timeout(180)
def test_bombs_burst_in_their_own_sandboxes(arena: Arena) -> None:
    with most_memory_mb(arena) as seen:
        found = outcomes(arena, BOMBS, timeout_s=1.5, at_once=4)

    assert found <= BOMB | {TIMEOUT}
    assert 0 < max(seen) < MOST_MB


@contextlib.contextmanager
def most_memory_mb(arena: Arena) -> Iterator[list[float]]:
    """The peaks of every sandbox's resident memory while the block runs."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            for pid in children(arena.supervisor):
                with contextlib.suppress(OSError):
                    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
                    seen.append(int(found[1]) / 1024 if found else 0.0)

    looking = threading.Thread(target=look)
    looking.start()
    yield seen
    ended.set()
    looking.join()


def test_worker_ends_its_sandbox(arena: Arena) -> None:
    result = arena.run(
        """async function lambda() {
          const { Worker } = await import("node:worker_threads");
          const loop = new Blob(["for (;;);"], { type: "text/javascript" });
          const all = Array.from({ length: 50 }, () => new Worker("for (;;);", { eval: true }));
          await new Promise((done) => all[0].on("exit", done).on("error", done));
        }""",
        timeout_s=20,
    )

    assert result.failure is not None
    assert arena.word in {MEMORY, "crashed"}


FLOODS = {
    "lines": "for (let n = 0; n < 1e5; n++) console.log('line', n);",
    "one line": "console.log('x'.repeat(1e8));",
    "extras": "console.log('x', ...Array(1e5).fill({ a: 1 }));",
    "deep": "let a = []; for (let n = 0; n < 1e4; n++) a = [a]; console.log('x', a);",
    "circular": "const a = {}; a.a = a; console.error('x', a, 1n, Symbol('x'), () => 1);",
    "surrogates": "console.log('\\ud800', '\\udfff\\ud800', { '\\ud800': '\\ud800' });",
    "control": "console.log('\\u0000\\u001b[2J\\r\\n', '\\u202e', '\\u2028');",
    "streams": """for (let n = 0; n < 1e4;
        n++) process.stdout.write('x'), process.stderr.write('y');""",
    # Nobody reads it while the function runs, so it is full after a while.
    "standard error": "try { for (;;) core.print('x'.repeat(1000), true); } catch {}",
    "symbols as levels": "console[Symbol.iterator] = 1; console.table?.([1]); console.info();",
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_flood_of_logs(whole_arena: Arena, flood: str) -> None:
    prelude = "const D = globalThis.Deno, core = D[D.internal].core;"

    result = whole_arena.run(source(f"{prelude} {flood} callback(null, 1);"), timeout_s=10)

    config = whole_arena.world.pool().config
    assert result.value == 1
    assert len(result.logs) <= config.log_entries + 1
    assert len(msgspec.json.encode(result.logs)) < 4 * config.log_characters


def test_large_event_of_a_stranger(whole_arena: Arena) -> None:
    event = {"text": "\x00\ud800" * 100_000, "deep": json.loads("[" * 90 + "]" * 90)}

    result = whole_arena.run("function lambda(input, cb) { cb(null, input.text.length); }", event)

    assert result.value == 200_000


ABUSES = {
    "loops": ["for (;;);"] * 4,
    "heaps": [BOMBS["heap"], BOMBS["maps"]],
    "buffers": [BOMBS["buffers"], BOMBS["WebAssembly memory"]],
    "floods": [BOMBS["messages"], "for (;;) console.log('x'.repeat(1e5));"],
    "crashes": ["process.getBuiltinModule('process').abort();", "globalThis.Deno.exit(9);"],
}


@pytest.mark.parametrize("abuse", ABUSES.values(), ids=ABUSES)
def test_neighbours_are_not_disturbed(arena: Arena, abuse: list[str]) -> None:
    """Whoever else runs gets every answer, and the right one."""
    ended = threading.Event()
    attackers = [threading.Thread(target=attack_until, args=(arena, ended, body)) for body in abuse]
    for attacker in attackers:
        attacker.start()

    wrong = []
    for n in range(200):
        key = f"victim {n % 2}"
        result = arena.world.run(
            NEIGHBOUR, n, key=key, account_id=key, layers=arena.layers, timeout_s=20
        )
        if result.value != [n, "undefined"]:
            wrong.append(result)
    ended.set()
    for attacker in attackers:
        attacker.join()

    assert wrong == []


def attack_until(arena: Arena, ended: threading.Event, body: str) -> None:
    while not ended.is_set():
        arena.run(source(body), timeout_s=1)


def test_neighbour_can_start_while_an_attacker_takes_every_place(whole_arena: Arena) -> None:
    """One account has no more than its own share of the places."""
    config = whole_arena.world.pool().config

    assert config.max_instances_per_account < config.max_instances


def test_nothing_goes_on_between_events(arena: Arena) -> None:
    """A sandbox that waits is blocked: neither timers nor threads of WebAssembly run."""
    body = """function lambda(input, callback) {
      if (input === "start") {
        globalThis.ticks = 0;
        setInterval(() => globalThis.ticks++, 1);
        setTimeout(() => callback(null, "late"), 5);
        (async () => { for (;;) { await null; await new Promise((r) => setTimeout(r, 1)); } })();
        console.log("first");
        setTimeout(() => { console.log("left behind"); callback(null, "again"); }, 10);
      }
      callback(null, globalThis.ticks);
    }"""
    key = f"ticks {sorted(arena.layers)}"

    first = arena.run(body, "start", key=key)
    await_stems(arena)
    before = cpu_ticks(arena)
    time.sleep(0.3)
    after = cpu_ticks(arena)
    second = arena.run(body, "go on", key=key)

    assert (first.value, second.value, second.cold) == (0, 0, False)
    assert after - before <= 2
    assert [entry.message for entry in second.logs] == []


def await_stems(arena: Arena) -> None:
    """Until those that replace the last ones have booted, which takes CPU."""
    ends_at = time.monotonic() + 5
    before = -1
    while cpu_ticks(arena) != before and time.monotonic() < ends_at:
        before = cpu_ticks(arena)
        time.sleep(0.3)


def cpu_ticks(arena: Arena) -> int:
    """Of all sandboxes, as the kernel counts them."""
    fields = [Path(f"/proc/{pid}/stat").read_text() for pid in children(arena.supervisor)]
    return sum(sum(map(int, one.rpartition(")")[2].split()[11:13])) for one in fields)
