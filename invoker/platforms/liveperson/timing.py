"""How long everything around an agent socket takes, in one place, so that tests can hurry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds. Source: `controller-bot.md` §1.3, where nothing else is said."""

    lease: float = 15.0
    """A holder that died is replaced after this. Of our own choosing."""
    renew: float = 5.0
    margin: float = 3.0
    """The socket is closed this long before a lease that could not be renewed ends."""
    look: float = 3.0
    """How often connections are looked at for changes."""
    request: float = 10.0
    opening: float = 10.0
    clock: float = 30.0
    ping: float = 60.0
    pong: float = 20.0
    refresh: float = 600.0
    domains: float = 60.0
    first_wait: float = 5.0
    wait_growth: float = 1.25
    longest_wait: float = 300.0
    settled: float = 60.0
    """A socket that lived this long was well: the next wait is the first one again."""
    refused: float = 600.0
    throttled: float = 1.0
    settling: float = 1.0
    """After an error the notification that explains it may still be on its way."""

    def wait(self, failures: int) -> float:
        """How long to wait after so many failures in a row.

        The vendor's guide lets 35 waits grow to hours; ours end growing at minutes, so that the
        bot is back soon after a long outage.
        """
        grown = self.first_wait * self.wait_growth ** min(failures - 1, 100)
        return min(self.longest_wait, grown)
