"""Which hosts functions of an account may connect to: what the sandbox is started with.

DomainError                      has a stable `code`; the message says what to do
├── InvalidError                 it is no host name or wildcard
├── TakenError                   it is on the list
└── LimitError                   the list is full
"""

import logging
import re
from collections.abc import Sequence

import idna
from django.db import IntegrityError, transaction

from invoker import audit, statements
from invoker.models import AllowedDomain

logger = logging.getLogger(__name__)

LONGEST = 253
# The list is one argument of the sandbox's process, which may have 128 KiB.
MAX_DOMAINS = 200
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# What URL parsers take for an IPv4 address: a last label of digits, or hexadecimal.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOW = 'enter a host such as api.example.com, or "*." and a domain'
# LivePerson's own, which its clients need. Source: `liveperson-contract.md` §7.1.
DEFAULT_DOMAINS = (
    *(f"{name}.liveperson.net" for name in ("adminlogin", "ams-a", "api")),
    *(
        f"*.{name}.liveperson.net"
        for name in ("ac", "acr", "agentvep", "data-mng", "enghist", "lp-msgewt", "msg", "msghist",
                     "objectstorage", "push", "v")
    ),
)  # fmt: skip


class DomainError(Exception):
    """The list is as it was."""

    code = "domain-error"
    field = "domain"


class InvalidError(DomainError):
    code = "invalid"


class TakenError(DomainError):
    code = "domain-taken"


class LimitError(DomainError):
    code = "limit-reached"


def hosts(account_id: str) -> tuple[str, ...]:
    """What the account's functions may connect to, in the same order for the same list."""
    found = statements.values(
        "SELECT domain FROM invoker_alloweddomain WHERE account_id = %s", [account_id]
    )
    return tuple(sorted(domain for (domain,) in found))


def covers(domains: Sequence[str], host: str) -> bool:
    """Whether a host is on a list, by itself or below a wildcard: as the sandbox decides it."""
    return any(
        host.endswith(domain[1:]) if domain.startswith("*.") else host == domain
        for domain in domains
    )


def add(account_id: str, text: str, *, by: str) -> AllowedDomain:
    """Let functions connect to a host, or to every host below a domain.

    Raises:
        InvalidError, TakenError, LimitError: the list is as it was.
    """
    domain = normalize(text)
    if AllowedDomain.objects.filter(account_id=account_id).count() >= MAX_DOMAINS:
        raise LimitError(
            f'Cannot allow "{domain}": the list holds {MAX_DOMAINS} domains, delete one or use a '
            "wildcard"
        )
    try:
        with transaction.atomic():
            allowed = AllowedDomain.objects.create(
                account_id=account_id, domain=domain, created_by=by
            )
            audit.record(account_id, "domain.added", domain, by=by)
    except IntegrityError as error:
        raise TakenError(f'Cannot allow "{domain}": it is on the list') from error
    logger.info("domain allowed", extra={"account_id": account_id, "domain": domain})
    return allowed


def delete(allowed: AllowedDomain, *, by: str) -> None:
    """Keep functions away from a host from their next event on."""
    with transaction.atomic():
        allowed.delete()
        audit.record(allowed.account_id, "domain.deleted", allowed.domain, by=by)
    logger.info(
        "domain deleted", extra={"account_id": allowed.account_id, "domain": allowed.domain}
    )


def create_defaults(account_id: str) -> None:
    """Put LivePerson's own domains on an account's list, as far as they are missing."""
    AllowedDomain.objects.bulk_create(
        [AllowedDomain(account_id=account_id, domain=domain) for domain in DEFAULT_DOMAINS],
        ignore_conflicts=True,
    )


def normalize(text: str) -> str:
    """A host or wildcard as the sandbox compares it: lower case, other scripts in punycode.

    Raises:
        InvalidError: it is neither.
    """
    domain = text.strip().rstrip(".").lower()
    shown = text.strip()[:60]
    for sign, why in (
        ("/", "it has a scheme or path"),
        (":", "it has a port or is an IP address"),
        ("@", "it has a user name"),
    ):
        if sign in domain:
            raise InvalidError(f'Cannot allow "{shown}": {why}, {HOW}')
    wildcard, host = domain.startswith("*."), domain.removeprefix("*.")
    if "*" in host:
        raise InvalidError(f'Cannot allow "{shown}": one wildcard may stand in front, {HOW}')
    labels = _ascii(host, shown).split(".")
    if NUMBER.fullmatch(labels[-1]):
        raise InvalidError(f'Cannot allow "{shown}": IP addresses cannot be allowed, {HOW}')
    if not labels[1:] or not all(LABEL.fullmatch(label) for label in labels):
        raise InvalidError(f'Cannot allow "{shown}": it is no full host name, {HOW}')
    domain = "*." * wildcard + ".".join(labels)
    if len(domain) > LONGEST:
        raise InvalidError(f'Cannot allow "{shown}…": it is longer than {LONGEST} characters')
    return domain


def _ascii(host: str, shown: str) -> str:
    if host.isascii():
        return host
    try:
        # The way of browsers and the sandbox, so that the name allowed is the name that is asked.
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise InvalidError(f'Cannot allow "{shown}": it is no host name, {HOW}') from error
