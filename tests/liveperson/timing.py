"""A holder that hurries, for tests."""

from invoker.platforms.liveperson import Timing

HURRIED = Timing(
    lease=2.0,
    renew=0.2,
    margin=0.5,
    look=0.1,
    request=2.0,
    first_wait=0.1,
    settled=30.0,
    throttled=0.1,
    settling=0.5,
)
