"""What a new function of an account can listen to and start from, and what is still missing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from functions import gallery, services
from functions.models import Function, FunctionSkill
from invoker import allow_list, events
from invoker.models import AutomaticMessage, Secret, SkillHours

MOST_SKILLS_SHOWN = 60
EMPTY = "empty"
"""What addresses call a function without a template."""
EMPTY_SOURCE = """\
function lambda(input, callback) {
  callback(null, null);
}
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """An event type, with the functions of the account that listen to it already."""

    event: events.EventType
    holders: list[Function]

    @property
    def full(self) -> bool:
        """Whether it leaves nothing to a further function, whatever its skills."""
        limit = self.event.limit
        return limit is not None and len(self.holders) - len(self.parts) >= limit

    @property
    def parts(self) -> list[Function]:
        """Functions that have some skills of it, and leave the others."""
        return [holder for holder in self.holders if holder.skills]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a template needs of the account; `there` when the account has it."""

    kind: str
    """ "secret" or "host"."""
    name: str
    there: bool


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill that something in the account names, and the function that has it, "" for none."""

    id: str
    holder: str


def offers(account_id: str) -> Mapping[str, Offer]:
    """Every event type by id, in the order to show them in. One query."""
    holders: dict[str, list[Function]] = {}
    own = Function.objects.filter(account_id=account_id).order_by("name")
    for function in own.only("name", "event_type", "skills"):
        holders.setdefault(function.event_type, []).append(function)
    return {
        event.id: Offer(event, holders.get(event.id, [])) for event in events.EVENT_TYPES.values()
    }


def first_free(offered: Mapping[str, Offer]) -> str:
    """The first event type of which nobody has a part."""
    free = (each.event.id for each in offered.values() if not each.full and not each.parts)
    return next(free, events.NO_EVENT)


def templates(event_id: str, words: str = "") -> list[gallery.Template]:
    """The templates of an event; with words, those of all events that hold every one of them."""
    wanted = words.lower().split()
    if not wanted:
        return [each for each in gallery.load() if each.event_type == event_id]
    return [each for each in gallery.load() if all(word in _text(each) for word in wanted)]


def _text(template: gallery.Template) -> str:
    event = events.EVENT_TYPES[template.event_type].name
    parts = [template.name, template.summary, event, *template.packages]
    if template.secrets:
        parts += ["secret", *template.secrets]
    if template.hosts:
        parts += ["host", *template.hosts]
    return " ".join(parts).lower()


def needs(account_id: str, template: gallery.Template) -> list[Need]:
    """What has to be in the account before the template does all it can. A query for each kind."""
    found: list[Need] = []
    if template.secrets:
        there = Secret.objects.filter(account_id=account_id, key__in=template.secrets)
        keys = set(there.values_list("key", flat=True))
        found += [Need("secret", key, key in keys) for key in template.secrets]
    if template.hosts:
        allowed = allow_list.hosts(account_id)
        found += [Need("host", host, allow_list.covers(allowed, host)) for host in template.hosts]
    return found


def skills(account_id: str, offer: Offer) -> list[Skill]:
    """The skills that the account is known to have, free ones first. One query."""
    holders = {skill: holder.name for holder in offer.parts for skill in holder.skills}
    ids = set(known_skills(account_id)) | set(holders)
    known = [Skill(skill_id, holders.get(skill_id, "")) for skill_id in ids]
    return sorted(known, key=lambda each: (each.holder != "", each.id))[:MOST_SKILLS_SHOWN]


def known_skills(account_id: str) -> list[str]:
    """Ids of skills that something in the account names, in order. One query.

    The platform's own list is not known here: functions, office hours and automatic messages name
    those that matter.
    """
    named = [
        model.objects.filter(account_id=account_id).exclude(skill_id="").values_list("skill_id")
        for model in (FunctionSkill, SkillHours, AutomaticMessage)
    ]
    return sorted(skill_id for (skill_id,) in named[0].union(*named[1:]))


def free_name(wish: str, taken: set[str]) -> str:
    """A name that follows the rules and that no function has, as near to the wish as can be."""
    base = re.sub(r"[^A-Za-z0-9_]+", "_", wish).strip("_") or "my_function"
    base = base[: services.MAX_NAME - 3]
    numbered = (f"{base}_{number}" for number in range(2, services.MAX_FUNCTIONS + 2))
    return next(name for name in (base, *numbered) if name not in taken)
