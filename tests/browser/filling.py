"""Fills an empty database as people would have left it, and prints how to get at what is in it.

    python -m tests.browser.filling

The database is the one that the environment names; `tests.browser.filled` runs this. Prints one
JSON object: `arguments`, the things of addresses by name, `sessions`, a session key for each of
the people, and `failure`, the page that people see when Houston fails.
"""

import datetime as dt
import json
import re
import sys
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command

django.setup()
# The page that is printed names files as they are before they are collected.
settings.STORAGES = {
    **settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

from allauth.account.internal.flows.login import record_authentication  # noqa: E402
from allauth.account.models import EmailAddress, EmailConfirmationHMAC  # noqa: E402
from allauth.mfa.models import Authenticator  # noqa: E402
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes  # noqa: E402
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: E402
from allauth.socialaccount.models import SocialAccount  # noqa: E402
from allauth.usersessions.models import UserSession  # noqa: E402
from axes.models import AccessAttempt  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: E402
    SECP256R1,
    generate_private_key,
)
from django.test import Client, RequestFactory  # noqa: E402
from django.utils import timezone  # noqa: E402
from fido2.cose import ES256  # noqa: E402
from fido2.utils import websafe_encode  # noqa: E402
from fido2.webauthn import (  # noqa: E402
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from functions import gallery, payloads  # noqa: E402
from functions import services as functions  # noqa: E402
from functions.models import Function, SavedPayload, Stage  # noqa: E402
from houston import api_clients, auth, connecting, errors, invitations, services  # noqa: E402
from houston import people as person_services  # noqa: E402
from houston.models import Account, ApiClient, Invitation, Role, Scope, User  # noqa: E402
from invoker import audit, hours, metrics, schedules  # noqa: E402
from invoker.hours import changes as hours_changes  # noqa: E402
from invoker.models import (  # noqa: E402
    AgentSession,
    AgentSessionState,
    Alert,
    AlertChannel,
    AlertKind,
    AlertState,
    AuditEntry,
    AutomaticMessage,
    Connection,
    Deployment,
    Heartbeat,
    RunState,
    Schedule,
    Secret,
    SecretType,
    SecretUse,
)
from tests import factories  # noqa: E402
from tests.browser import played, scenes, traffic  # noqa: E402

ACCOUNT, NAME = "48291057", "Harbour Lines Ferries"
EMPTY, EMPTY_NAME = "77120933", "Northwind Outfitters"
BARE, BARE_NAME = "90017742", "Lakeside Insurance"
NOW = timezone.now()
MOST_AGENTS = 5
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Safari/604.1"
PROVIDER = "http://127.0.0.1:9"
PEOPLE = {
    "kim.larsen": ("Kim", "Larsen", {Role.ADMIN, Role.DEVELOPER}),
    "dana.okonkwo-fitzgerald": ("Dana", "Okonkwo-Fitzgerald", {Role.DEVELOPER}),
    "ada": ("Ada", "Brandt", {Role.ADMIN}),
    "external.agency.developer.mueller": ("", "", {Role.DEVELOPER}),
}
WEEK = [(day, dt.time(8), dt.time(12)) for day in range(5)]
WEEK += [(day, dt.time(13), dt.time(18, 30)) for day in range(5)] + [(5, dt.time(9), dt.time(14))]

# Name, template, description, skills, how far it got.
FUNCTIONS = (
    ("greet", "new-conversation", "Greets people by the time of day, and says how long it takes",
     (), "Modified"),
    ("route_by_language", "conversation-routing", "Sends Danish and German speakers to their own "
     "teams, everybody else to the hub", (), "Productive"),
    ("remind_and_close_idle_conversations_after_a_while", "conversation-idle",
     "Reminds once, then closes", (), "Productive"),
    ("say_when_we_open", "line-in-off-hours", "Tells the next opening of the harbour office", (),
     "Build Error"),
    ("introduce_agent", "participants-change", "Says who is there now", ("2041", "2042", "2055"),
     "Productive"),
    ("thank_you", "conversation-end", "Thanks, and asks for a rating", (), "Draft"),
    ("faster_please", "ttr", "Answers when somebody asks for a quicker reply", (), "Deploy Error"),
    ("look_up_booking", "http", "Finds a booking by its number in the reservation system", (),
     "Productive"),
    ("agent_note", "conversational-command", "Puts a note of the agent into the booking", (),
     "Marked Undeployed"),
    ("sync_preferences_to_salesforce", "salesforce", "Writes what people told us to their contact",
     (), "Draft"),
)  # fmt: skip
PROBLEM = {
    "code": "syntax-error", "message": "Expected ')' but found '{'", "line": 14, "column": 27,
    "severity": "error",
}  # fmt: skip


FAILED_RUN = "Function failed: Cannot read properties of undefined (reading 'sailings') in line 23"


def main() -> None:
    call_command("migrate", verbosity=0)
    people, team = make_people()
    account = make_account(team)
    with audit.coming_from(audit.Origin("192.0.2.44", "3f9c2b7ad4e14f8ab2c95d60e8f7a113")):
        for username, (_, _, roles) in PEOPLE.items():
            services.add_member(account, username=username, roles=set(roles), by=team.username)
        made = make_functions()
        arguments = make_schedules(made)
        arguments |= make_settings(account)
        arguments |= scenes.fill(account.pk)
    arguments |= traffic.fill(account.pk, made, Connection.objects.get(pk=arguments["generic"]))
    arguments |= played.fill(account.pk)
    spread_audit()
    while metrics.roll_up():
        pass
    kim = people["kim.larsen"]
    newcomer = factories.UserFactory(username="noor", first_name="Noor", last_name="Haddad")
    make_second_factors(people["ada"])
    invited = make_invitations(account)
    identity = SocialAccount.objects.create(
        user=people["ada"], provider=PROVIDER, uid="00u1f2ada",
        extra_data={"email": "ada.brandt@harbourlines.example"},
    )  # fmt: skip
    for pk in (EMPTY, BARE):
        services.add_member(
            Account.objects.get(pk=pk), username="noor", roles=set(Role), by=team.username
        )
    sessions = {
        "kim": session_of(kim, FIREFOX),
        "dana": session_of(people["dana.okonkwo-fitzgerald"], FIREFOX),
        "ada": session_of(people["ada"], FIREFOX),
        "noor": session_of(newcomer, FIREFOX),
        "team": session_of(team, FIREFOX),
    }
    session_of(people["ada"], PHONE)
    auth.log_in(people["ada"], account)
    AccessAttempt.objects.create(
        username="guesser", ip_address="127.0.0.1", failures_since_start=5, attempt_time=NOW
    )
    failure = errors.server_error(RequestFactory().get("/", headers={"accept": "text/html"}))
    entries = AuditEntry.objects.filter(account_id=account.pk)
    arguments |= {
        "account_id": account.pk,
        "empty": EMPTY,
        "bare": BARE,
        "name": "greet",
        "user_id": people["dana.okonkwo-fitzgerald"].pk,
        "entry_saved": str(entries.filter(action="function.saved").latest("at").pk),
        "entry_id": str(entries.filter(action="connection.edited").latest("at").pk),
        "payload_id": SavedPayload.objects.filter(account_id=account.pk).earliest("pk").pk,
        "deployment_id": str(
            Deployment.objects.filter(function_name="greet", active=False).latest("created_at").pk
        ),
        "reset_path": urlsplit(
            person_services.reset_link(people["external.agency.developer.mueller"], by="team-lena")
        ).path,
        "key": EmailConfirmationHMAC(
            EmailAddress.objects.create(user=kim, email="kim.larsen@harbourlines.example")
        ).key,
        "invitation_id": str(invited.invitation.pk),
        "token": invited.link.split("/")[-2],
        "identity_id": identity.pk,
        **make_api_clients(account),
        "passkey": Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).pk,
    }
    json.dump(
        {"arguments": arguments, "sessions": sessions, "failure": failure.content.decode()},
        sys.stdout,
        default=str,
    )


def session_of(user: User, browser: str) -> str:
    """Sign somebody in who has just confirmed it; the page of their sessions shows this browser."""
    client = Client(headers={"host": "localhost", "user-agent": browser}, REMOTE_ADDR="192.0.2.44")
    client.force_login(user)
    client.get("/me/sessions/")
    request = RequestFactory().get("/")
    request.session = client.session
    record_authentication(request, user, "password", reauthenticated=True)
    request.session.save()
    UserSession.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={"user": user, "ip": "192.0.2.44", "user_agent": browser},
    )
    return client.cookies["sessionid"].value


# Who is there -------------------------------------------------------------------------------------


def make_people() -> tuple[dict[str, User], User]:
    people = {
        username: factories.UserFactory(username=username, first_name=first, last_name=last)
        for username, (first, last, _) in PEOPLE.items()
    }
    return people, factories.UserFactory(username="team-lena", first_name="Lena", is_staff=True)


def make_account(team: User) -> Account:
    accounts = {
        pk: services.create_account(pk, name=name, by=team.username)
        for pk, name in ((ACCOUNT, NAME), (EMPTY, EMPTY_NAME), (BARE, BARE_NAME))
    }
    bridge = connecting.NewConnection(
        platform="generic", name="Reservations bridge",
        callback_url="https://bridge.harbourlines.example/houston/commands",
    )  # fmt: skip
    simulator = connecting.NewConnection(platform="simulator", name="Simulator")
    for pk, way in ((ACCOUNT, bridge), (EMPTY, simulator)):
        services.set_up_controller_bot(accounts[pk], way, by=team.username)
        services.enable_functions(accounts[pk], by=team.username)
    return accounts[ACCOUNT]


def make_invitations(account: Account) -> invitations.Sent:
    """One that waits, and one that nobody opened in time."""
    late = invitations.invite(
        account, email="former.supplier@agency.example", roles={Role.DEVELOPER}, by="kim.larsen"
    ).invitation
    Invitation.objects.filter(pk=late.pk).update(
        sent_at=NOW - dt.timedelta(days=9), expires_at=NOW - dt.timedelta(days=2)
    )
    return invitations.invite(
        account, email="priya.natarajan@harbourlines.example", roles=set(Role), by="kim.larsen"
    )


def make_api_clients(account: Account) -> dict[str, Any]:
    """One that is busy, one that nobody used yet, and one that is out."""
    busy, _ = api_clients.create(
        account, name="Reservation system in production", by="ada",
        scopes=[Scope.INVOCATION],
    )  # fmt: skip
    build, _ = api_clients.create(account, name="Build server", by="ada", scopes=list(Scope))
    old, _ = api_clients.create(
        account, name="Trial of the agency", by="ada", scopes=[Scope.INVOCATION]
    )
    api_clients.revoke(old, by="kim.larsen")
    ApiClient.objects.filter(pk=busy.pk).update(
        created_at=NOW - dt.timedelta(days=40), last_used_at=NOW - dt.timedelta(minutes=2)
    )
    return {"client_id": str(busy.pk), "client_build": str(build.pk), "client_revoked": str(old.pk)}


def make_second_factors(user: User) -> None:
    """An app, a passkey, and recovery codes of which some are used up."""
    TOTP.activate(user, generate_totp_secret())
    codes = RecoveryCodes.activate(user)
    for code in codes.get_unused_codes()[:7]:
        codes.validate_code(code)
    Authenticator.objects.create(
        user=user, type=Authenticator.Type.WEBAUTHN,
        data={"name": "The blue telephone", "credential": passkey()},
        last_used_at=NOW - dt.timedelta(hours=3),
    )  # fmt: skip


def passkey() -> dict[str, Any]:
    """What a browser answers when it has made one, which asking for it reads again."""
    key = ES256.from_cryptography_key(generate_private_key(SECP256R1()).public_key())
    credential = AttestedCredentialData.create(Aaguid.NONE, b"blue-telephone", key)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.AT
    data = AuthenticatorData.create(b"\0" * 32, flags, 0, credential)
    client_data = CollectedClientData.create("webauthn.create", b"asked", "http://127.0.0.1")
    return {
        "id": websafe_encode(credential.credential_id),
        "rawId": websafe_encode(credential.credential_id),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(client_data),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        },
        "clientExtensionResults": {},
    }


# What they wrote ----------------------------------------------------------------------------------


def make_functions() -> dict[str, Function]:
    templates = {each.slug: each for each in gallery.load()}
    made = {}
    for name, slug, description, skills, state in FUNCTIONS:
        function = functions.create(
            ACCOUNT, name=name, description=description, by="kim.larsen",
            event_type=templates[slug].event_type, template=templates[slug], skills=skills,
        )  # fmt: skip
        for number in range(1, 7 if name == "greet" else 3):
            save_again(function, number)
        made[name] = function
        bring_to(function, state)
    save_again(made["greet"], made["greet"].version)
    for text in ("Booking of a family with a dog", "Somebody who writes for the first time"):
        sample = payloads.sample(made["greet"]).text
        payloads.save(made["greet"], name=text, text=sample, by="dana.okonkwo-fitzgerald")
    return made


def make_schedules(made: dict[str, Function]) -> dict[str, Any]:
    """One in every state that looks different; the one that is looked at closely has failed."""
    report, _, idle, _, booking = (
        schedules.create(ACCOUNT, made[name].pk, plan, by=by)
        for name, plan, by in (
            ("look_up_booking", schedules.Plan(
                cron_expression="30 6 * * 1-5", time_zone="Europe/Copenhagen",
                description="Tells the harbour office which sailings are full today",
                headers=[{"key": "x-source", "value": "schedule"}],
                payload={"report": "sailings", "days": 1, "harbours": ["Rønne", "Ystad", "Køge"]},
            ), "dana.okonkwo-fitzgerald"),
            ("introduce_agent", schedules.Plan(cron_expression="0 0 1 */3 *"), "kim.larsen"),
            ("remind_and_close_idle_conversations_after_a_while", schedules.Plan(
                cron_expression="*/7 3-5/2 1-7 */2 sat,sun",
                time_zone="America/Argentina/ComodRivadavia",
                description="Cleans up what the night left behind, see the minutes of the meeting",
            ), "external.agency.developer.mueller"),
            ("route_by_language", schedules.Plan(cron_expression="0 * * * *"), "ada"),
            ("look_up_booking", schedules.Plan(
                cron_expression="*/5 * * * *", description="Keeps the timetable fresh",
            ), "kim.larsen"),
        )
    )  # fmt: skip
    schedules.switch(idle, active=False, by="kim.larsen")
    factories.ScheduleFactory(
        account_id=ACCOUNT, function_id=made["thank_you"].pk, function_name="thank_you",
        cron_expression="0 8 * * 1", time_zone="Europe/Copenhagen", updated_by="ada",
    )  # fmt: skip
    deployment = made["look_up_booking"].deployment
    assert deployment
    last = NOW.replace(second=0, microsecond=0) - dt.timedelta(minutes=NOW.minute % 5)
    for number in range(40):
        due_at = last - number * dt.timedelta(minutes=5)
        failed = number % 17 == 9
        invocation = factories.InvocationFactory(
            account_id=ACCOUNT, event=None, deployment=deployment, started_at=due_at,
            duration_ms=60 + 37 * (number % 9), finished_at=due_at,
            outcome="CODING_FAILURE" if failed else "SUCCEEDED",
        )  # fmt: skip
        run = {"schedule": booking, "due_at": due_at, "invocation": invocation}
        if failed:
            run |= {"state": RunState.FAILED, "failure": FAILED_RUN}
        elif number == 5:
            run |= {"state": RunState.MISSED, "invocation": None, "failure": "3 due times until "
                    f"{due_at:%Y-%m-%d %H:%M} UTC were not run: no worker was free in time, and "
                    "late runs are not made up for"}  # fmt: skip
        factories.ScheduleRunFactory(**run)
    Schedule.objects.filter(pk=booking.pk).update(last_at=last, last_state=RunState.SUCCEEDED)
    factories.ScheduleRunFactory(
        schedule=report, state=RunState.FAILED, failure=FAILED_RUN, invocation=invocation
    )
    Schedule.objects.filter(pk=report.pk).update(
        last_at=NOW - dt.timedelta(hours=6), last_state=RunState.FAILED, last_failure=FAILED_RUN
    )
    return {"schedule_id": str(booking.pk), "schedule_failed": str(report.pk),
            "schedule_paused": str(idle.pk)}  # fmt: skip


def save_again(function: Function, number: int) -> None:
    notes = ("Shorter", "As agreed with the agents on Monday, see the minutes", "", "Danish too")
    functions.save_draft(
        function, version=function.version, by="dana.okonkwo-fitzgerald" if number % 2 else "ada",
        code=rewritten(function.code, number),
        description=function.description, note=notes[number % 4],
        environment={"GREETING": "Ahoy", "BOOKING_API": "https://api.harbourlines.example/v2"}
        | ({"FALLBACK_SKILL": "2041"} if number > 1 else {}),
    )  # fmt: skip


def rewritten(code: str, number: int) -> str:
    """The code with a line of another week, and from the seventh on with another greeting."""
    if number > 6:
        code = code.replace('"Welcome back!', '"Ahoy, welcome back!').replace('"Hello', '"Ahoy')
    line = f"// By the timetable of week {number + 20}."
    found, times = re.subn("// By the timetable of week [0-9]+[.]", line, code)
    return found if times else code.replace("\n\n", f"\n{line}\n\n", 1)


def bring_to(function: Function, state: str) -> None:
    """Let a function be where people would see it, without starting a sandbox for it."""
    if state not in {"Draft", "Build Error"}:
        for version in range(1, function.version + 1):
            serves = version == function.version
            deployment = factories.DeploymentFactory(
                account_id=ACCOUNT, function_id=function.pk, function_name=function.name,
                event_type=function.event_type, version=version, skills=function.skills,
                code=function.versions.get(number=version).code, active=serves,
                environment=function.environment, created_by="kim.larsen",
                note="After the summer timetable" if serves else "",
            )  # fmt: skip
            deployed_at = NOW - dt.timedelta(days=9 * (function.version - version) + 2)
            type(deployment).objects.filter(pk=deployment.pk).update(created_at=deployed_at)
        function.deployment = deployment
        after = {"Live version": function.version, "Deployment": str(deployment.pk)}
        audit.record(
            ACCOUNT, "function.deployed", function.name, by="kim.larsen", after=after,
            subject_id=function.pk, detail="After the summer timetable",
        )  # fmt: skip
    stages = {
        "Build Error": Stage.BUILD_ERROR,
        "Deploy Error": Stage.DEPLOY_ERROR,
        "Marked Undeployed": Stage.UNDEPLOYING,
    }
    function.stage = stages.get(state, Stage.NONE)
    function.problems = [PROBLEM] if state.endswith("Error") else []
    function.save()


# What they set ------------------------------------------------------------------------------------


def make_settings(account: Account) -> dict[str, Any]:
    arguments = {**make_connections(account), **make_hours(), **make_alerts()}
    for domain in ("api.harbourlines.example", "*.salesforce.com", "maps.example.org"):
        entry = factories.AllowedDomainFactory(account_id=ACCOUNT, domain=domain)
        audit.record(ACCOUNT, "domain.added", domain, by="ada")
        arguments["domain_id"] = entry.pk
    kinds = (SecretType.STRING, SecretType.NUMBER, SecretType.JSON)
    keys = ("booking-api-token", "pin", "salesforce.production.connected-app.credentials.2026")
    for key, kind in zip(keys, kinds, strict=True):
        secret = Secret.objects.create(
            account_id=ACCOUNT, key=key, type=kind, value='{"a": 1}', created_by="ada",
            updated_by="kim.larsen", updated_at=NOW - dt.timedelta(days=12),
        )  # fmt: skip
        audit.record(ACCOUNT, "secret.added", key, by="ada")
        arguments["secret_id"] = secret.pk
    for name in ("look_up_booking", "greet"):
        function = Function.objects.get(account_id=ACCOUNT, name=name)
        first = Secret.objects.get(account_id=ACCOUNT, key=keys[0])
        SecretUse.objects.create(secret=first, function_id=function.pk, function_name=name)
    return {**arguments, **make_messages()}


def make_messages() -> dict[str, Any]:
    """Automatic messages in some languages, for some skills, one switched off."""
    own = AutomaticMessage.objects.filter(account_id=ACCOUNT, skill_id="")
    welcome = own.get(subtype="CONSUMER_OPEN_NEW_CONVERSATION")
    for language, text in (
        ("de-DE", "Willkommen bei Harbour Lines! Wir melden uns in {expectedResponseTime}."),
        ("da-DK", "Velkommen til Harbour Lines. Vi svarer om {expectedResponseTime}."),
    ):
        factories.AutomaticTextFactory(
            message=welcome, language=language, text=text, is_default=False
        )
    skill = factories.AutomaticMessageFactory(
        account_id=ACCOUNT, subtype=welcome.subtype, skill_id="2041"
    )
    factories.AutomaticTextFactory(message=skill, text="Freight desk here, what are you shipping?")
    own.filter(subtype="BACK_TO_QUEUE").update(enabled=False)
    idle = factories.AutomaticMessageFactory(
        account_id=ACCOUNT, subtype="AGENT_NON_RESPONSIVE", skill_id="2041", timer_s=900, repeats=2
    )
    audit.record(
        ACCOUNT, "message.saved", "Welcome", by="ada",
        before={"Text, en-US": "Welcome"}, after={"Text, en-US": "Welcome aboard"},
    )  # fmt: skip
    return {"subtype": welcome.subtype, "welcome": welcome.pk, "message_id": skill.pk,
            "idle_message": idle.pk}  # fmt: skip


def make_connections(account: Account) -> dict[str, Any]:
    generic = Connection.objects.get(account_id=ACCOUNT)
    keys = {"app_key": "k" * 32, "app_secret": "s" * 16, "access_token": "t" * 32,
            "access_token_secret": "u" * 16}  # fmt: skip
    liveperson = connecting.add_connection(
        account, connecting.NewConnection(
            platform="liveperson", name="Website and app", client_id="5f0c7c1e-houston",
            client_secret="x" * 24, bot_user="houston-controller-bot", **keys,
        ), by="ada",
    )  # fmt: skip
    AgentSession.objects.create(
        connection=liveperson, holder="worker-2", lease_until=NOW + dt.timedelta(hours=2),
        state=AgentSessionState.CONNECTED, connected_at=NOW - dt.timedelta(hours=30),
    )  # fmt: skip
    chatwoot = connecting.add_connection(
        account, connecting.NewConnection(
            platform="chatwoot", name="Crew help desk", api_url="https://desk.harbourlines.example",
            api_account="1", api_token="t" * 24,
        ), by="ada",
    )  # fmt: skip
    connecting.switch_connection(chatwoot, active=False, by="ada")
    simulator = connecting.add_connection(
        account, connecting.NewConnection(platform="simulator", name="Simulator"), by="ada"
    )
    connecting.edit_connection(
        generic, name="Reservations bridge", by="kim.larsen", client_id="",
        callback_url="https://bridge.harbourlines.example/houston/commands/v2",
        message_delivery="at_least_once",
    )  # fmt: skip
    return {"connection_id": str(generic.pk), "generic": str(generic.pk),
            "liveperson": str(liveperson.pk), "chatwoot": str(chatwoot.pk),
            "simulator": str(simulator.pk)}  # fmt: skip


def make_hours() -> dict[str, Any]:
    ferry = hours_changes.create(
        ACCOUNT, name="Harbour office", time_zone="Europe/Copenhagen", by="ada"
    )
    hours_changes.set_week(ferry, WEEK, by="ada")
    year = NOW.year + 1
    for name, start, end, working in (
        ("Christmas", f"{year}-12-24", f"{year}-12-27", False),
        ("Regatta week, open late", f"{year}-06-20T08:00", f"{year}-06-20T22:00", True),
        ("New Year", f"{NOW.year}-01-01", f"{NOW.year}-01-02", False),
    ):
        hours_changes.add_occasion(
            ferry, name=name, start=dt.datetime.fromisoformat(start),
            end=dt.datetime.fromisoformat(end), working=working, by="ada",
        )  # fmt: skip
    closed = hours_changes.create(
        ACCOUNT, name="Freight desk", time_zone="America/New_York", by="ada"
    )
    hours_changes.switch_off(closed, NOW + dt.timedelta(days=1), by="kim.larsen")
    assert hours.calendar_of(ferry)
    return {"hours_id": ferry.pk, "hours_off": closed.pk}


def make_alerts() -> dict[str, Any]:
    firing = factories.AlertFactory(
        account_id=ACCOUNT, threshold=5, state=AlertState.FIRING,
        state_since=NOW - dt.timedelta(minutes=34), told_at=NOW - dt.timedelta(minutes=34),
        finding="7 % of 412 runs failed", looked_at=NOW,
    )  # fmt: skip
    firing.firings.create(began_at=firing.state_since, finding=firing.finding)
    firing.firings.create(
        began_at=NOW - dt.timedelta(days=3), ended_at=NOW - dt.timedelta(days=3, minutes=-41),
        finding="11 % of 388 runs failed",
    )  # fmt: skip
    firing.tellings.create(
        kind="firing", finding=firing.finding, due_at=None, attempts=3,
        error="Cannot connect to hooks.example: the name is not known",
    )  # fmt: skip
    factories.AlertFactory(
        account_id=ACCOUNT, kind=AlertKind.LATENCY, threshold=800, window_min=60,
        channel=AlertChannel.EMAIL, target="on-call@harbourlines.example",
    )  # fmt: skip
    factories.AlertFactory(account_id=ACCOUNT, kind=AlertKind.SILENCE, enabled=False)
    # Looked at in an hour: what pages show is what is written here.
    Alert.objects.update(watched_since=NOW + dt.timedelta(hours=1))
    Heartbeat.beat("worker")
    return {"alert_id": str(firing.pk)}


def spread_audit() -> None:
    """Let all of it have happened over weeks, in the order in which it was done."""
    found = list(AuditEntry.objects.order_by("at"))
    for number, entry in enumerate(found):
        entry.at = NOW - dt.timedelta(hours=(len(found) - number) * 5, minutes=number * 7 % 60)
    AuditEntry.objects.bulk_update(found, ["at"], batch_size=200)


if __name__ == "__main__":
    main()
