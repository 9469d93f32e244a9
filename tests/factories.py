"""One factory per model, no surprises: what a test cares about, it says itself.

Rows that belong to an account carry `ACCOUNT_ID`, which is the id of the fixture `account`.
No factory makes an account, a controller bot or a membership along the way.
"""

import datetime as dt
import hashlib
import uuid

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from functions import claims, scenarios
from functions.models import Function, Scenario, Version
from houston.models import Account, ApiClient, Invitation, Membership, Role, User
from invoker import events
from invoker.models import (
    Alert,
    AlertChannel,
    AlertKind,
    AllowedDomain,
    AuditEntry,
    AutomaticMessage,
    AutomaticText,
    Command,
    CommandState,
    CommandType,
    Connection,
    ControllerBot,
    Conversation,
    DeadLetter,
    Deployment,
    Event,
    EventState,
    Heartbeat,
    Invocation,
    InvocationState,
    LetterKind,
    LogLine,
    Notification,
    Platform,
    RunState,
    Schedule,
    ScheduleRun,
    Secret,
    Verdict,
    make_webhook_secret,
)

ACCOUNT_ID = "acme1"
PASSWORD = "correct horse battery"
SOURCE = 'function lambda(input, callback) {\n  callback(null, "hello");\n}\n'


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    password = factory.django.Password(PASSWORD)


class AccountFactory(DjangoModelFactory):
    class Meta:
        model = Account

    id = factory.Sequence(lambda n: f"account{n}")
    name = factory.LazyAttribute(lambda account: account.id.capitalize())


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    account = factory.SubFactory(AccountFactory)
    role = Role.DEVELOPER


class InvitationFactory(DjangoModelFactory):
    class Meta:
        model = Invitation

    account = factory.SubFactory(AccountFactory)
    email = factory.Sequence("invited{}@example.com".format)
    roles = [Role.DEVELOPER]
    invited_by = "kim"
    sent_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(days=7))


class ApiClientFactory(DjangoModelFactory):
    """Has no usable secret: call `issue_secret` and save where one is needed."""

    class Meta:
        model = ApiClient

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"client {n}")
    secret_hash = "!"


class ControllerBotFactory(DjangoModelFactory):
    """Both steps done."""

    class Meta:
        model = ControllerBot

    account_id = ACCOUNT_ID
    set_up_by = "kim"
    functions_enabled_at = factory.LazyFunction(timezone.now)
    functions_enabled_by = "kim"


class ConnectionFactory(DjangoModelFactory):
    class Meta:
        model = Connection

    account_id = ACCOUNT_ID
    platform = Platform.GENERIC
    name = factory.Sequence(lambda n: f"connection {n}")
    signing_secret = factory.LazyFunction(make_webhook_secret)
    # Since yesterday, so that tests can tell of conversations that began a while ago.
    listening_since = factory.LazyFunction(lambda: timezone.now() - dt.timedelta(days=1))


class AutomaticMessageFactory(DjangoModelFactory):
    class Meta:
        model = AutomaticMessage

    account_id = ACCOUNT_ID
    subtype = "CONSUMER_OPEN_NEW_CONVERSATION"


class AutomaticTextFactory(DjangoModelFactory):
    class Meta:
        model = AutomaticText

    message = factory.SubFactory(AutomaticMessageFactory)
    text = "Welcome"
    is_default = True


class SecretFactory(DjangoModelFactory):
    """Holds the text "sesame"."""

    class Meta:
        model = Secret

    account_id = ACCOUNT_ID
    key = factory.Sequence(lambda n: f"secret-{n}")
    value = '"sesame"'
    created_by = "kim"
    updated_by = "kim"


class AllowedDomainFactory(DjangoModelFactory):
    class Meta:
        model = AllowedDomain

    account_id = ACCOUNT_ID
    domain = factory.Sequence(lambda n: f"host{n}.example.com")
    created_by = "kim"


class AuditEntryFactory(DjangoModelFactory):
    """A secret was added."""

    class Meta:
        model = AuditEntry

    account_id = ACCOUNT_ID
    by = "kim"
    address = "192.0.2.1"
    action = "secret.added"
    subject_kind = factory.LazyAttribute(lambda entry: entry.action.partition(".")[0])
    subject = factory.Sequence(lambda n: f"secret-{n}")


class AlertFactory(DjangoModelFactory):
    """Half of all runs fail, told to a webhook; watched since yesterday."""

    class Meta:
        model = Alert

    account_id = ACCOUNT_ID
    kind = AlertKind.ERRORS
    threshold = 50
    window_min = 15
    min_count = 2
    channel = AlertChannel.WEBHOOK
    target = "https://hooks.example/in"
    watched_since = factory.LazyFunction(lambda: timezone.now() - dt.timedelta(days=1))
    created_by = "kim"


class ConversationFactory(DjangoModelFactory):
    class Meta:
        model = Conversation

    connection = factory.SubFactory(ConnectionFactory)
    account_id = factory.SelfAttribute("connection.account_id")
    conv_id = factory.Sequence(lambda n: f"conversation-{n}")


class NotificationFactory(DjangoModelFactory):
    class Meta:
        model = Notification

    conversation = factory.SubFactory(ConversationFactory)
    connection = factory.SelfAttribute("conversation.connection")
    account_id = factory.SelfAttribute("conversation.account_id")
    kind = "com.houston.messaging.conversation.updated"
    dedupe_key = factory.Sequence(lambda n: hashlib.sha256(str(n).encode()).hexdigest())
    body = b"{}"
    sha256 = factory.LazyAttribute(lambda one: hashlib.sha256(one.body).hexdigest())
    receipt = factory.LazyFunction(uuid.uuid4)


class FunctionFactory(DjangoModelFactory):
    """A draft with its first version, as `services.create` leaves it."""

    class Meta:
        model = Function
        skip_postgeneration_save = True

    account_id = ACCOUNT_ID
    name = factory.Sequence(lambda n: f"function_{n}")
    description = "Says hello"
    event_type = ""
    code = SOURCE
    created_by = "kim"
    updated_by = "kim"
    first_version = factory.RelatedFactory("tests.factories.VersionFactory", "function")

    @classmethod
    def _create(cls, model_class, *args, **fields):
        function = super()._create(model_class, *args, **fields)
        assert claims.take(function), f"others have {function.event_type} {function.skills}"
        return function


class VersionFactory(DjangoModelFactory):
    class Meta:
        model = Version

    function = factory.SubFactory(FunctionFactory, first_version=None)
    number = factory.SelfAttribute("function.version")
    code = factory.SelfAttribute("function.code")
    environment = factory.SelfAttribute("function.environment")
    description = factory.SelfAttribute("function.description")
    saved_by = "kim"


SCENARIO = """scenario: 1
name: {name}
starts_at: '2026-06-01T12:00:00+00:00'
steps:
  - at: 0s
    act: start
    text: Hello
    expect:
      - event: CONSUMER_OPEN_NEW_CONVERSATION
        function: greet
        commands:
          - type: systemMessage
            text: hello
"""


class ScenarioFactory(DjangoModelFactory):
    """Expects the first answer of `SOURCE` in a function called greet."""

    class Meta:
        model = Scenario

    account_id = ACCOUNT_ID
    name = factory.Sequence(lambda n: f"Scenario {n}")
    text = factory.LazyAttribute(
        lambda one: scenarios.write(scenarios.read(SCENARIO.format(name=one.name)))
    )
    event_types = ["controllerbot_messaging_new_conversation"]
    created_by = "kim"
    updated_by = "kim"


class DeploymentFactory(DjangoModelFactory):
    """Serves events, though no function points at it: see `deployed`."""

    class Meta:
        model = Deployment

    account_id = ACCOUNT_ID
    function_id = factory.LazyFunction(uuid.uuid4)
    function_name = factory.Sequence(lambda n: f"function_{n}")
    event_type = "controllerbot_messaging_new_conversation"
    version = 1
    code = SOURCE
    active = True
    created_by = "kim"


class ScheduleFactory(DjangoModelFactory):
    """Runs every 5 minutes, next in a minute, though nothing of its function is deployed."""

    class Meta:
        model = Schedule

    account_id = ACCOUNT_ID
    function_id = factory.LazyFunction(uuid.uuid4)
    function_name = factory.Sequence(lambda n: f"function_{n}")
    cron_expression = "*/5 * * * *"
    next_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(minutes=1))
    created_by = "kim"
    updated_by = "kim"


class ScheduleRunFactory(DjangoModelFactory):
    """Has ended well, a minute before the one made before it; its invocation is left out."""

    class Meta:
        model = ScheduleRun

    schedule = factory.SubFactory(ScheduleFactory)
    account_id = factory.SelfAttribute("schedule.account_id")
    due_at = factory.Sequence(lambda n: timezone.now() - dt.timedelta(minutes=n + 1))
    state = RunState.SUCCEEDED
    started_at = factory.SelfAttribute("due_at")
    finished_at = factory.SelfAttribute("due_at")


class EventFactory(DjangoModelFactory):
    """A new conversation, waiting to be handled."""

    class Meta:
        model = Event

    conversation = factory.SubFactory(ConversationFactory)
    account_id = factory.SelfAttribute("conversation.account_id")
    type = "controllerbot_messaging_new_conversation"
    subtype = "CONSUMER_OPEN_NEW_CONVERSATION"
    payload = factory.LazyAttribute(lambda event: events.sample(event.type)["payload"])
    # Behind every event that a test lets happen in the same conversation.
    position = factory.Sequence(lambda n: n + 1_000)
    occurred_at = factory.LazyFunction(timezone.now)
    received_at = factory.SelfAttribute("occurred_at")
    state = EventState.WAITING


class InvocationFactory(DjangoModelFactory):
    """A run that has ended well and asked for nothing."""

    class Meta:
        model = Invocation

    event = factory.SubFactory(EventFactory)
    deployment = factory.SubFactory(
        DeploymentFactory, active=False, account_id=factory.SelfAttribute("..account_id")
    )
    account_id = factory.SelfAttribute("event.account_id")
    function_id = factory.SelfAttribute("deployment.function_id")
    outcome = InvocationState.SUCCEEDED
    cold = False
    duration_ms = 12.5
    finished_at = factory.LazyFunction(timezone.now)


class LogLineFactory(DjangoModelFactory):
    class Meta:
        model = LogLine

    invocation = factory.SubFactory(InvocationFactory)
    account_id = factory.SelfAttribute("invocation.account_id")
    function_id = factory.SelfAttribute("invocation.function_id")
    number = factory.Sequence(lambda n: n + 1)
    level = "Info"
    message = "hello"
    logged_at = factory.LazyFunction(timezone.now)


class CommandFactory(DjangoModelFactory):
    """A message that waits to be sent, as a function asked for it."""

    class Meta:
        model = Command

    event = factory.SubFactory(EventFactory)
    invocation = factory.SubFactory(InvocationFactory, event=factory.SelfAttribute("..event"))
    account_id = factory.SelfAttribute("event.account_id")
    type = CommandType.MESSAGE
    fields = factory.LazyFunction(lambda: {"text": ["hello"]})
    position = factory.Sequence(lambda n: n)
    idempotency_key = factory.LazyAttribute(lambda one: f"{one.event.pk}:{one.position}")


class DeadLetterFactory(DjangoModelFactory):
    """A command that was refused and waits for somebody to decide.

    For another kind name its subject, and `command=None`.
    """

    class Meta:
        model = DeadLetter

    command = factory.SubFactory(
        CommandFactory,
        state=CommandState.FAILED,
        reason="refused",
        event__state=EventState.DONE,
        event__verdict=Verdict.FAILED,
    )
    kind = LetterKind.COMMAND
    conversation = factory.LazyAttribute(
        lambda one: (
            (one.command.event if one.command else one.event or one.notification).conversation
        )
    )
    event = None
    notification = None
    connection = factory.SelfAttribute("conversation.connection")
    account_id = factory.SelfAttribute("conversation.account_id")
    reason = "refused"
    detail = "The callback URL answered 400 Bad Request"


class HeartbeatFactory(DjangoModelFactory):
    class Meta:
        model = Heartbeat

    name = "worker"
    seen_at = factory.LazyFunction(timezone.now)


def deployed(**fields: object) -> Function:
    """A function whose draft serves its event."""
    function = FunctionFactory(**fields)
    function.deployment = DeploymentFactory(
        account_id=function.account_id,
        function_id=function.pk,
        function_name=function.name,
        event_type=function.event_type,
        version=function.version,
        code=function.code,
        environment=function.environment,
        skills=function.skills,
    )
    function.save(update_fields=["deployment"])
    return function
