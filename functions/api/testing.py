"""A run of a draft, for whoever wrote it. Source: `liveperson-contract.md` §3.2."""

import uuid

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema

from functions import services
from functions.api.finding import find_function
from functions.api.functions import TAG
from functions.api.shapes import CLIENTS_ADD
from invoker import answers, api
from invoker.api import ApiRequest, Dialect, Permission
from invoker.gateway import running, views


class DraftRun(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.FUNCTION_TEST}
    throttle_classes = views.InvokeView.throttle_classes

    @extend_schema(
        operation_id="function_test",
        summary="Run the draft of a function once",
        description="Nothing of it is kept, and no command that it returns is carried out. When "
        "the function fails, what it logged is in `errorLogs`.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=views.InvocationSerializer,
        responses={200: views.ResultWithLogsSerializer, **views.FAILURES},
    )
    def post(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> HttpResponse:
        function = find_function(account_id, function_id)
        event = views.read_event(request)
        with running.place(account_id):
            result = services.test(
                function, code=function.code, environment=function.environment, event=event
            )
        logs = running.logs(result)
        if (refusal := answers.refusal(result)) is not None:
            raise running.refused(refusal, logs)
        return views.answer({"result": result.value, "logs": logs})
