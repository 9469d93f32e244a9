"""Conversations of the built-in simulator: what their platform knows, and their own clock."""

from django.db import models
from django.db.models import Q

from invoker.fields import JsonTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH
from invoker.models.conversations import Conversation


class Office(models.TextChoices):
    """Whether a simulated conversation is in off-hours, whatever the account's hours say."""

    ACCOUNT = "", "As the account's office hours say"
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"


class Simulation(models.Model):
    """One simulated conversation, as its platform knows it.

    `scene` is a `simulator.Scene`; it changes where `version` is still as it was read. The
    conversation's clock is `ahead_ms` before ours, and is on its way to `goes_to_ms`, epoch
    milliseconds by itself, where that is set: whoever handles the conversation moves it.
    """

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, primary_key=True, related_name="simulation"
    )
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    scene = JsonTextField()
    version = models.PositiveIntegerField(default=0)
    ahead_ms = models.BigIntegerField(default=0)
    goes_to_ms = models.BigIntegerField(null=True)
    office = models.CharField(max_length=6, choices=Office.choices, blank=True, default="")
    office_since_ms = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(auto_now_add=True)
    started_by = models.CharField(max_length=150)

    class Meta:
        indexes = [models.Index(fields=["account_id", "-started_at"], name="simulation_by_time")]

    def __str__(self) -> str:
        return f"Simulation of {self.conversation_id}"


class SimulatedLine(models.Model):
    """What one of them reads. `author` is a name; `role` as the platform tells it.

    `role` "" is a remark of the platform itself, such as that somebody joined. `command_id` is the
    bot's command that it came by: it arrives once, however often it is sent.
    """

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    at_ms = models.BigIntegerField()
    role = models.CharField(max_length=20, blank=True)
    author = models.CharField(max_length=60, blank=True)
    text = models.TextField()
    private = models.BooleanField(default=False)
    command_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["simulation", "number"], name="simulated_line_once"),
            models.UniqueConstraint(
                fields=["simulation", "command_id"],
                condition=Q(command_id__isnull=False),
                name="simulated_command_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role or 'remark'} {self.number}"


class SimulatedAct(models.Model):
    """What a person did in a simulated conversation, in order. `act` is a `simulator.Act`.

    `at_ms` is by the conversation's clock. The notifications that an act leads to carry its id as
    their request id, see `simulator.request_id`.
    """

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="acts")
    number = models.PositiveIntegerField()
    at_ms = models.BigIntegerField()
    act = JsonTextField()
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["simulation", "number"], name="simulated_act_once")
        ]

    def __str__(self) -> str:
        return f"Act {self.number}"
