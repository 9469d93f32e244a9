"""A network for the toolbelt's tests, in which LivePerson's hosts are stood in for."""

from collections.abc import Iterator

import pytest

from tests import namespace
from tests.toolbelt.account import Account


@pytest.fixture(scope="session")
def world() -> Iterator[namespace.World]:
    with namespace.world() as made:
        yield made


@pytest.fixture
def account(world: namespace.World) -> Account:
    """An account with nothing in it, on an empty network."""
    world.forget()
    world.secure(None)
    return Account(world)
