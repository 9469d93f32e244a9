"""The whole product beside a messaging service: `make run` with an account that uses a socket."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.liveperson.conftest import eventually
from tests.liveperson.ums import ACCOUNT, Ums
from tests.stack.conftest import ONE_OF_EACH, ROOT, Houston, begin

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PREPARE = """
import os, sys, uuid
sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "houston.settings"
import django
django.setup()

from django.core.management import call_command
from django.utils import timezone
from houston.models import Account
from invoker.models import Connection, ControllerBot, Deployment

account, login, source = sys.argv[1:]
call_command("migrate", verbosity=0)
Account.objects.create(id=account, name="Acme")
ControllerBot.objects.create(account_id=account, functions_enabled_at=timezone.now())
Connection.objects.create(
    account_id=account, platform="liveperson", name="bot", signing_secret="s", agent_login=login
)
Deployment.objects.create(
    account_id=account,
    function_id=uuid.uuid4(),
    function_name="welcome",
    event_type="controllerbot_messaging_new_conversation",
    version=1,
    active=True,
    code=source,
)
"""
SOURCE = """
function lambda(input, callback) {
  callback(null, { type: "systemMessage", text: "Hello " + input.payload.general.visitorId });
}
"""


@pytest.fixture
def product(ums: Ums) -> Iterator[Houston]:
    """An account whose bot logs in, with a function, in the running product."""
    data_dir = Path(tempfile.mkdtemp(prefix="houston-stack-"))
    begin(data_dir)
    environment = {**os.environ, "HOUSTON_DATA_DIR": str(data_dir)}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-c", PREPARE, ACCOUNT, json.dumps(ums.bot.login), SOURCE]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    houston = Houston(
        data_dir,
        **ONE_OF_EACH,
        HOUSTON_LIVEPERSON_CSDS=f"https://{ums.csds}",
        SSL_CERT_FILE=str(ums.authority_file),
    )
    try:
        houston.wait()
        yield houston
    finally:
        houston.interrupt()
        shutil.rmtree(data_dir, ignore_errors=True)
        houston.log.unlink(missing_ok=True)


def test_conversation_on_the_platform_is_welcomed_by_a_function(ums: Ums, product: Houston) -> None:
    assert eventually(lambda: ums.peers(ums.bot), timeout_s=30), product.output()

    conversation = ums.open(text="hello", first=True)

    assert eventually(lambda: len(conversation.texts) == 2, timeout_s=30), product.output()
    assert conversation.texts[-1] == ("houston-bot", "Hello v1")
    assert product.interrupt() == 0
    assert not eventually(lambda: ums.peers(ums.bot), timeout_s=0.5)
