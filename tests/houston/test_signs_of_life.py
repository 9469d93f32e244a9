"""A web server is seen while it serves."""

from functools import partial

import pytest
from django.db import OperationalError

from houston import signs_of_life
from invoker.models import Heartbeat
from tests.stack import services
from tests.stack.conftest import Houston

SEEN = """
from invoker.models import Heartbeat
print(Heartbeat.age_s("web") is not None)
"""


@pytest.mark.stack
def test_web_server_gives_signs_of_life(houston: Houston) -> None:
    services.wait(lambda: houston.manage("shell", "-v", "0", "-c", SEEN).strip() == "True")


@pytest.mark.django_db(transaction=True)
def test_sign_of_life_is_given_once_the_database_takes_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused() -> None:
        raise OperationalError("database is locked")

    signs_of_life.give(refused)
    signs_of_life.give(partial(Heartbeat.beat, signs_of_life.WEB))

    assert [record.getMessage() for record in caplog.records] == ["no sign of life"]
    assert Heartbeat.objects.get().name == "web"
