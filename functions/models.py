"""What people write: functions, their drafts, and every version that was saved."""

import datetime as dt
import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker import events
from invoker.models import ACCOUNT_ID_LENGTH, SKILL_ID_LENGTH, Deployment

EVENT_TYPE_LENGTH = 60
MOST_SKILLS_SHOWN = 4
LONGEST_BUILD = dt.timedelta(minutes=2)
"""A deployment that began longer ago died with its process, and holds nothing up."""


class State(models.TextChoices):
    """How a draft stands to what is live. Source: `liveperson-contract.md` §4.3."""

    DRAFT = "Draft"
    PRODUCTIVE = "Productive"
    MODIFIED = "Modified"
    MARKED_UNDEPLOYED = "Marked Undeployed"
    BUILD_ERROR = "Build Error"
    DEPLOY_ERROR = "Deploy Error"


class Stage(models.TextChoices):
    """What a deployment in progress, or the last one that failed, left behind."""

    NONE = "", "None"
    DEPLOYING = "deploying", "Deploying"
    UNDEPLOYING = "undeploying", "Undeploying"
    BUILD_ERROR = "build_error", "Build error"
    DEPLOY_ERROR = "deploy_error", "Deploy error"


class Step(models.TextChoices):
    """What a deployment is at, or where the last one ended."""

    CHECKING = "checking", "Check the code"
    STARTING = "starting", "Start it in the sandbox"
    SERVING = "serving", "Put it in front of events"


class Function(models.Model):
    """One function of an account: its draft, and a pointer to the deployment that serves."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    name = models.CharField(max_length=50)
    description = models.CharField(max_length=200)
    event_type = models.CharField(max_length=EVENT_TYPE_LENGTH, blank=True)
    # Sorted; empty means every skill. `FunctionSkill` and `EventClaim` keep them from overlapping.
    skills = models.JSONField(default=list, blank=True)
    code = models.TextField()
    environment = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1)
    deployment = models.OneToOneField(
        Deployment, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.NONE, blank=True)
    stage_at = models.DateTimeField(null=True)
    step = models.CharField(max_length=8, choices=Step, blank=True)
    problems = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="function_name_once"),
            models.UniqueConstraint(
                fields=["account_id", "event_type"],
                condition=Q(event_type__in=sorted(events.SINGLE_EVENT_TYPES), skills=[]),
                name="function_all_skills_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> State:
        """The state people see. Compares with the deployment, so load it along in lists."""
        match self.stage:
            case Stage.BUILD_ERROR:
                return State.BUILD_ERROR
            case Stage.DEPLOY_ERROR:
                return State.DEPLOY_ERROR
            case Stage.UNDEPLOYING:
                return State.MARKED_UNDEPLOYED
        if self.deployment is None:
            return State.DRAFT
        if self.deployment.version == self.version:
            return State.PRODUCTIVE
        return State.MODIFIED

    @property
    def being_deployed(self) -> bool:
        return (
            self.stage == Stage.DEPLOYING
            and self.stage_at is not None
            and self.stage_at > timezone.now() - LONGEST_BUILD
        )

    @property
    def skills_label(self) -> str:
        """The skills in a few words, "" for all."""
        if not self.skills:
            return ""
        shown = ", ".join(self.skills[:MOST_SKILLS_SHOWN])
        more = len(self.skills) - MOST_SKILLS_SHOWN
        rest = f" and {more} more" if more > 0 else ""
        return f"skill{'s' if len(self.skills) > 1 else ''} {shown}{rest}"

    @property
    def event(self) -> events.EventType:
        return events.EVENT_TYPES[self.event_type]


class FunctionSkill(models.Model):
    """One skill of one function: no other function of the event can have it."""

    function = models.ForeignKey(Function, on_delete=models.CASCADE, related_name="+")
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    event_type = models.CharField(max_length=EVENT_TYPE_LENGTH)
    skill_id = models.CharField(max_length=SKILL_ID_LENGTH)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "event_type", "skill_id"], name="function_skill_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.function_id} skill {self.skill_id}"


class EventClaim(models.Model):
    """How an event of an account is shared: one function has it whole, or some have skills of it.

    Whoever changes what a function listens to writes this row in the same transaction.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    event_type = models.CharField(max_length=EVENT_TYPE_LENGTH)
    holder = models.OneToOneField(Function, on_delete=models.SET_NULL, null=True, related_name="+")
    with_skills = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "event_type"], name="event_claim_once"),
            models.CheckConstraint(
                condition=Q(holder=None) | Q(with_skills=0), name="event_claim_whole_or_in_parts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.event_type}"


class Version(models.Model):
    """A draft as it was saved. Never changed; restoring one saves it again as the newest."""

    function = models.ForeignKey(Function, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    code = models.TextField()
    environment = models.JSONField(default=dict)
    description = models.CharField(max_length=200)
    saved_at = models.DateTimeField(auto_now_add=True)
    saved_by = models.CharField(max_length=150)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["function", "number"], name="version_once")]

    def __str__(self) -> str:
        return f"{self.function_id} version {self.number}"


class SavedPayload(models.Model):
    """What somebody kept to test functions of an event with; everybody in the account has it."""

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    event_type = models.CharField(max_length=EVENT_TYPE_LENGTH, blank=True)
    name = models.CharField(max_length=60)
    text = models.TextField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "event_type", "name"], name="saved_payload_once"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """How addresses and the picker name it, see `payloads.source`."""
        return f"saved:{self.pk}"


class Scenario(models.Model):
    """A played conversation that an account keeps, with what is expected to come of it.

    `text` is the whole file, as `scenarios.write` writes it; `name` and `description` stand in it
    too. `event_types` are those that are expected or came. `last_…` tells of the last run of the
    steps as they are now; all of it is empty before one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    text = models.TextField()
    event_types = models.JSONField(default=list, blank=True)
    # Of the gallery: the functions of the account have no part in it.
    brings_functions = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.CharField(max_length=150)
    # Whoever runs it since before then ends that.
    stop_asked_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    last_run_by = models.CharField(max_length=150, blank=True)
    last_against = models.CharField(max_length=300, blank=True)
    last_passed = models.BooleanField(null=True)
    last_differing = models.PositiveIntegerField(default=0)
    # What came, as `scenario_runs.tell` puts it, and the file in which that is what is expected.
    last_outcome = models.JSONField(null=True)
    last_text = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="scenario_name_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def run_mark(self) -> str:
        """Tells the last run from any other one; "" before the first."""
        return self.last_run_at.isoformat() if self.last_run_at else ""
