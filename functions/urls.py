"""Addresses inside one account: of the console's pages, and of what programs manage."""

from django.urls import URLPattern, path

from functions.api.catalogue import EventPayload, Events, Templates
from functions.api.dead_letters import (
    DeadLetterCounts,
    DeadLetters,
    DiscardDeadLetter,
    DiscardDeadLetters,
    OneDeadLetter,
    PutBackDeadLetter,
    RetryDeadLetter,
    RetryDeadLetters,
)
from functions.api.deployments import (
    DeploymentCount,
    Deployments,
    FunctionDeployments,
    OneDeployment,
    RollBack,
)
from functions.api.domains import Domains, OneDomain
from functions.api.functions import FunctionCount, FunctionManifest, Functions, OneFunction
from functions.api.history import OneVersion, RestoreVersion, Versions
from functions.api.lambdas import Lambdas, OneLambda, Runtimes
from functions.api.logs import FunctionLogs, Logs
from functions.api.replays import EveryFunctionsReplays, Replays
from functions.api.reports import InvocationCounts, InvocationReport, LambdaCounts, LimitCounts
from functions.api.scenarios import OneScenario, ScenarioRun, Scenarios
from functions.api.schedules import OneSchedule, Preview, Schedules
from functions.api.secrets import OneSecret, Secrets
from functions.api.testing import DraftRun
from functions.views import (
    activity,
    checking,
    conversations,
    conversing,
    creating,
    dead_letters,
    declaring,
    deployments,
    editing,
    exchanging,
    listing,
    logs,
    metrics,
    pace,
    redelivering,
    releasing,
    removing,
    replaying,
    scenario_batches,
    scenario_files,
    scenario_sources,
    scenarios,
    schedules,
    testing,
    trying_out,
)

app_name = "functions"

# A name of a function holds no hyphen, so "new-function" and the three below can never be one.
console_urls: list[URLPattern] = [
    path("functions/", listing.function_list, name="list"),
    path("functions/new-function/", creating.new, name="new"),
    path("functions/new-function/check/", creating.check, name="new-check"),
    path("functions/try-it/", trying_out.try_it, name="try-it"),
    path("functions/export-functions/", exchanging.export, name="export"),
    path("functions/import-functions/", exchanging.import_functions, name="import"),
    path("functions/<slug:name>/", editing.edit, name="edit"),
    path("functions/<slug:name>/types.d.ts", declaring.types, name="types"),
    path("functions/<slug:name>/input.schema.json", declaring.schema, name="schema"),
    path("functions/<slug:name>/check/", checking.check, name="check"),
    path("functions/<slug:name>/save/", editing.save, name="save"),
    path("functions/<slug:name>/skills/", editing.change_skills, name="skills"),
    path("functions/<slug:name>/test/", editing.test, name="test"),
    path("functions/<slug:name>/payload/", editing.choose_payload, name="payload"),
    path("functions/<slug:name>/payloads/save/", testing.save_payload, name="payload-save"),
    path(
        "functions/<slug:name>/payloads/<int:payload_id>/",
        testing.saved_payload,
        name="payload-rename",
    ),
    path(
        "functions/<slug:name>/payloads/<int:payload_id>/delete/",
        testing.delete_payload,
        name="payload-delete",
    ),
    path("functions/<slug:name>/deploy/", releasing.deploy, name="deploy"),
    path("functions/<slug:name>/deploy/progress/", releasing.progress, name="deploy-progress"),
    path("functions/<slug:name>/pace/", pace.pace, name="pace"),
    path("functions/<slug:name>/undeploy/", removing.undeploy, name="undeploy"),
    path("functions/<slug:name>/delete/", removing.delete, name="delete"),
    path("functions/<slug:name>/versions/", releasing.versions, name="versions"),
    path("functions/<slug:name>/versions/<int:number>/restore/", releasing.restore, name="restore"),
    path("functions/<slug:name>/deployments/", releasing.deployments, name="deployments"),
    path(
        "functions/<slug:name>/deployments/<uuid:deployment_id>/roll-back/",
        releasing.roll_back,
        name="roll_back",
    ),
    path("deployments/", deployments.account_deployments, name="all-deployments"),
    path("schedules/", schedules.schedule_list, name="schedules"),
    path("schedules/new/", schedules.schedule_new, name="schedule-new"),
    path("schedules/check/", schedules.schedule_check, name="schedule-check"),
    path("schedules/<uuid:schedule_id>/", schedules.schedule, name="schedule"),
    path("schedules/<uuid:schedule_id>/edit/", schedules.schedule_edit, name="schedule-edit"),
    path("schedules/<uuid:schedule_id>/switch/", schedules.schedule_switch, name="schedule-switch"),
    path("schedules/<uuid:schedule_id>/delete/", schedules.schedule_delete, name="schedule-delete"),
    path("replays/", replaying.replay_page, name="replays"),
    path("scenarios/", scenarios.scenario_list, name="scenarios"),
    path("scenarios/new/", scenario_files.scenario_new, name="scenario-new"),
    path("scenarios/run/", scenario_batches.scenarios_run, name="scenarios-run"),
    path("scenarios/shipped/<slug:slug>/", scenario_sources.shipped, name="scenario-shipped"),
    path(
        "scenarios/shipped/<slug:slug>/run/",
        scenario_sources.shipped_run,
        name="scenario-shipped-run",
    ),
    path(
        "scenarios/shipped/<slug:slug>/save/",
        scenario_sources.shipped_save,
        name="scenario-shipped-save",
    ),
    path("scenarios/<uuid:scenario_id>/", scenarios.scenario, name="scenario"),
    path("scenarios/<uuid:scenario_id>/run/", scenarios.scenario_run, name="scenario-run"),
    path("scenarios/<uuid:scenario_id>/edit/", scenario_files.scenario_edit, name="scenario-edit"),
    path("scenarios/<uuid:scenario_id>/file/", scenario_files.scenario_file, name="scenario-file"),
    path(
        "scenarios/<uuid:scenario_id>/rename/",
        scenario_files.scenario_rename,
        name="scenario-rename",
    ),
    path(
        "scenarios/<uuid:scenario_id>/duplicate/",
        scenario_files.scenario_duplicate,
        name="scenario-duplicate",
    ),
    path(
        "scenarios/<uuid:scenario_id>/accept/",
        scenario_files.scenario_accept,
        name="scenario-accept",
    ),
    path(
        "scenarios/<uuid:scenario_id>/delete/",
        scenario_files.scenario_delete,
        name="scenario-delete",
    ),
    path(
        "conversations/<int:pk>/scenario/",
        scenario_sources.from_conversation,
        name="scenario-from-conversation",
    ),
    path("activity/", activity.activity, name="activity"),
    path("activity/<uuid:event_id>/", activity.trace, name="trace"),
    path("activity/<uuid:event_id>/redeliver/", redelivering.redeliver, name="redeliver"),
    path("dead-letters/", dead_letters.letter_list, name="dead-letters"),
    path("dead-letters/retry/", redelivering.retry_many, name="dead-letters-retry"),
    path("dead-letters/discard/", redelivering.discard_many, name="dead-letters-discard"),
    path("dead-letters/<uuid:letter_id>/", dead_letters.letter, name="dead-letter"),
    path("dead-letters/<uuid:letter_id>/retry/", redelivering.retry, name="dead-letter-retry"),
    path(
        "dead-letters/<uuid:letter_id>/discard/", redelivering.discard, name="dead-letter-discard"
    ),
    path(
        "dead-letters/<uuid:letter_id>/put-back/",
        redelivering.put_back,
        name="dead-letter-put-back",
    ),
    path("conversations/", conversations.conversation_list, name="conversations"),
    path("conversations/new/", conversing.start, name="conversation-start"),
    path("conversations/<int:pk>/", conversing.conversation, name="conversation"),
    path("conversations/<int:pk>/acts/", conversing.act, name="conversation-act"),
    path("logs/", logs.log_page, name="logs"),
    path("logs/export/", logs.log_export, name="logs-export"),
    path("metrics/", metrics.metrics_page, name="metrics"),
]

# Below api/account/<account id>/, for programs. Clients differ in whether they end a list with a
# slash, and a redirect would lose what they post.
api_urls: list[URLPattern] = [
    path("lambdas", Lambdas.as_view(), name="lambdas"),
    path("lambdas/", Lambdas.as_view(), name="lambdas-slash"),
    path("lambdas/<uuid:function_id>", OneLambda.as_view(), name="lambda"),
    path("runtimes", Runtimes.as_view(), name="runtimes"),
    path("events", Events.as_view(), name="events"),
    path("events/<str:event_id>/payload", EventPayload.as_view(), name="event-payload"),
    path("templates", Templates.as_view(), name="templates"),
    path("functions", Functions.as_view(), name="functions"),
    path("functions/count", FunctionCount.as_view(), name="function-count"),
    path("functions/<uuid:function_id>", OneFunction.as_view(), name="function"),
    path("functions/<uuid:function_id>/manifest", FunctionManifest.as_view(), name="manifest"),
    path("functions/<uuid:function_id>/test", DraftRun.as_view(), name="draft-run"),
    path("functions/<uuid:function_id>/replays", Replays.as_view(), name="replays"),
    path("replays", EveryFunctionsReplays.as_view(), name="every-functions-replays"),
    path("functions/<uuid:function_id>/versions", Versions.as_view(), name="versions"),
    path(
        "functions/<uuid:function_id>/versions/<int:number>", OneVersion.as_view(), name="version"
    ),
    path(
        "functions/<uuid:function_id>/versions/<int:number>/restore",
        RestoreVersion.as_view(),
        name="version-restore",
    ),
    path(
        "functions/<uuid:function_id>/deployments",
        FunctionDeployments.as_view(),
        name="function-deployments",
    ),
    path(
        "functions/<uuid:function_id>/deployments/<uuid:deployment_id>/roll-back",
        RollBack.as_view(),
        name="roll-back",
    ),
    path("deployments", Deployments.as_view(), name="deployments"),
    path("deployments/count", DeploymentCount.as_view(), name="deployment-count"),
    path("deployments/<uuid:function_id>", OneDeployment.as_view(), name="deployment"),
    path("proxy-settings", Domains.as_view(), name="domains"),
    path("proxy-settings/<int:domain_id>", OneDomain.as_view(), name="domain"),
    path("schedules", Schedules.as_view(), name="schedules"),
    path("schedules/preview", Preview.as_view(), name="schedule-preview"),
    path("schedules/<uuid:schedule_id>", OneSchedule.as_view(), name="schedule"),
    path("scenarios", Scenarios.as_view(), name="scenarios"),
    path("scenarios/<uuid:scenario_id>", OneScenario.as_view(), name="scenario"),
    path("scenarios/<uuid:scenario_id>/run", ScenarioRun.as_view(), name="scenario-run"),
    path("secrets", Secrets.as_view(), name="secrets"),
    path("secrets/<slug:key>", OneSecret.as_view(), name="secret"),
    path("dead-letters", DeadLetters.as_view(), name="dead-letters"),
    path("dead-letters/counts", DeadLetterCounts.as_view(), name="dead-letter-counts"),
    path("dead-letters/retry", RetryDeadLetters.as_view(), name="dead-letters-retry"),
    path("dead-letters/discard", DiscardDeadLetters.as_view(), name="dead-letters-discard"),
    path("dead-letters/<uuid:letter_id>", OneDeadLetter.as_view(), name="dead-letter"),
    path(
        "dead-letters/<uuid:letter_id>/retry", RetryDeadLetter.as_view(), name="dead-letter-retry"
    ),
    path(
        "dead-letters/<uuid:letter_id>/discard",
        DiscardDeadLetter.as_view(),
        name="dead-letter-discard",
    ),
    path(
        "dead-letters/<uuid:letter_id>/put-back",
        PutBackDeadLetter.as_view(),
        name="dead-letter-put-back",
    ),
    path("logs/export", Logs.as_view(), name="logs"),
    path(
        "functions/<uuid:function_id>/logs/export",
        FunctionLogs.as_view(),
        name="function-logs",
    ),
    path(
        "reports/invocations/<uuid:function_id>",
        InvocationReport.as_view(),
        name="invocation-report",
    ),
    path("reports/limitCounts", LimitCounts.as_view(), name="limit-counts"),
    path("reports/lambdaCounts", LambdaCounts.as_view(), name="lambda-counts"),
    path("reports/invocationCounts", InvocationCounts.as_view(), name="invocation-counts"),
]
