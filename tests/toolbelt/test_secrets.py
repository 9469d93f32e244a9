"""Reading and changing secrets of the account, in both generations."""

import time
from typing import Any

import pytest

from invoker.runtime import CallError
from tests.toolbelt.account import V1, V2, Account

pytestmark = pytest.mark.runtime

CLIENT = "const secrets = Toolbelt.SecretClient();\n"
PREFIX = "com.liveperson.faas.secret"


def ask(account: Account, body: str, toolbelt: str) -> Any:
    return account.run(CLIENT + body, toolbelt=toolbelt)


@pytest.mark.parametrize("toolbelt", [V1, V2])
def test_a_secret_is_read_and_changed(account: Account, toolbelt: str) -> None:
    account.secrets["token"] = "old"

    read, changed = ask(
        account,
        """
        const secret = await secrets.readSecret("token");
        const read = { ...secret };
        secret.value = "new";
        return [read, await secrets.updateSecret(secret)];
        """,
        toolbelt,
    )

    assert read == {"key": "token", "value": "old"}
    assert changed == {"key": "token", "value": "new"}
    assert account.secrets == {"token": "new"}


@pytest.mark.parametrize(("toolbelt", "value"), [(V1, {"id": 1}), (V2, '{"id":1}')])
def test_a_secret_of_json_is_a_value_first_and_a_text_later(
    account: Account, toolbelt: str, value: Any
) -> None:
    account.secrets["pair"] = {"id": 1}

    read = ask(account, 'return (await secrets.readSecret("pair")).value;', toolbelt)

    assert read == value


@pytest.mark.parametrize("toolbelt", [V1, V2])
@pytest.mark.parametrize("call", ["readSecret('none')", "updateSecret({ key: 'none', value: '' })"])
def test_a_secret_that_is_not_there_is_not_found(
    account: Account, toolbelt: str, call: str
) -> None:
    found = ask(
        account,
        f"""
        try {{
          await secrets.{call};
        }} catch (error) {{
          const type = toolbelt.SecretError ?? toolbelt.ToolBeltError;
          return [error.code, error.code === toolbelt.ErrorCodes.Secret.NotFound,
            error instanceof type, error.component, error.message];
        }}
        """,
        toolbelt,
    )

    assert found == [f"{PREFIX}.not-found", True, True, "SecretStore", 'There is no secret "none"']


@pytest.mark.parametrize("toolbelt", [V1, V2])
@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (f"{PREFIX}.forbidden", f"{PREFIX}.forbidden"),
        (f"{PREFIX}.auth-failed", f"{PREFIX}.auth-failed"),
        ("com.liveperson.faas.handler.no-sa-token", "com.liveperson.faas.handler.no-sa-token"),
        ("failed", f"{PREFIX}.op-failed"),
    ],
)
def test_a_refusal_keeps_the_vendors_code(
    account: Account, toolbelt: str, refusal: str, code: str
) -> None:
    account.answers["secret.read"] = CallError(refusal, "The reason")

    found = ask(account, 'await secrets.readSecret("token");', toolbelt)

    assert found["thrown"]["code"] == code
    assert found["thrown"]["message"] == "The reason"


@pytest.mark.parametrize(
    ("toolbelt", "entry"),
    [
        (V1, '{ key: "token", value: "x".repeat(10001) }'),
        (V2, '{ key: "token", value: "x".repeat(16385) }'),
        (V2, '{ key: "token", value: ["x".repeat(16384)] }'),
        (V1, "null"),
        (V1, '{ key: "token" }'),
        (V2, '{ value: "x" }'),
    ],
)
def test_what_cannot_be_a_secret_is_refused(account: Account, toolbelt: str, entry: str) -> None:
    account.secrets["token"] = "old"

    found = ask(account, f"await secrets.updateSecret({entry});", toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.invalid-format"
    assert account.secrets == {"token": "old"}


# --- what the second generation remembers ---------------------------------------------------------


def test_a_secret_is_remembered(account: Account) -> None:
    account.secrets["token"] = "old"

    values = ask(
        account,
        """
        const first = await secrets.readSecret("token");
        first.value = "spoiled";
        const second = await Toolbelt.SecretClient().readSecret("token");
        const fresh = await secrets.readSecret("token", { useCache: false });
        return [second.value, fresh.value, toolbelt.globalSecretCache.getAll()];
        """,
        V2,
    )

    assert values == ["old", "old", [{"key": "token", "value": "old"}]]
    assert len(account.asked) == 2


def test_what_was_changed_is_remembered(account: Account) -> None:
    account.secrets["token"] = "old"

    value = ask(
        account,
        """
        await secrets.readSecret("token");
        await secrets.updateSecret({ key: "token", value: "new" });
        return (await secrets.readSecret("token")).value;
        """,
        V2,
    )

    assert value == "new"
    assert [op for op, _ in account.asked] == ["secret.read", "secret.update"]


def test_a_secret_is_forgotten_after_its_time(account: Account) -> None:
    account.secrets["token"] = "old"

    known = account.run(
        """
        const cache = toolbelt.globalSecretCache;
        const secrets = Toolbelt.SecretClient({ cache: { ttl: 1 } });
        await secrets.readSecret("token");
        const end = Date.now() + 3;
        while (Date.now() < end);
        const forgotten = cache.has("token");
        cache.set("a", "kept", 60000);
        const kept = [cache.has("a"), cache.get("a"), cache.size()];
        cache.delete("a");
        return [forgotten, kept, cache.get("a")];
        """,
        toolbelt=V2,
    )

    assert known == [False, [True, "kept", 1], None]


def test_an_answer_that_takes_too_long_times_out(account: Account) -> None:
    def wait() -> Any:
        time.sleep(0.5)
        return {"key": "token", "value": "late"}

    account.answers["secret.read"] = lambda _: wait

    found = ask(account, 'await secrets.readSecret("token", { timeout: 20 });', V2)

    assert found["thrown"]["code"] == f"{PREFIX}.op-timed-out"


def test_a_clock_that_nobody_needs_any_more_keeps_nothing_waiting(account: Account) -> None:
    account.secrets["token"] = "old"

    result = account.run_source(
        """
        const { Toolbelt } = require("core-functions-toolbelt");
        function lambda(input, callback) {
          Toolbelt.SecretClient().readSecret("token");
        }
        """
    )

    assert result.failure is not None
    assert result.failure.code == "no-result"
    assert result.duration_ms < 4000
