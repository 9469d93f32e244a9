"""Plays the acts of a scenario for real: simulator, door, worker, sandbox, rows."""

from functions import gallery
from functions.scenarios import Document
from invoker import dispatch, simulator
from invoker.models import AutomaticMessage, Conversation, Platform, Simulation
from invoker.simulator import acts
from tests import factories

IDLE = {
    "agent": "AGENT_NON_RESPONSIVE",
    "consumer": "CONSUMER_NON_RESPONSIVE",
    "queue": "CONV_AWAITING_IN_QUEUE",
}


def prepare(document: Document) -> None:
    """Give the account a simulator, and what the scenario brings along."""
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    templates = {each.slug: each for each in gallery.load()}
    for event_type, slug in document.functions.items():
        factories.DeploymentFactory(
            event_type=event_type,
            code=templates[slug].source,
            function_name=slug.replace("-", "_"),
        )
    settings = document.settings
    if settings is None:
        return
    if settings.automatic_messages is not None:
        AutomaticMessage.objects.all().delete()
        for subtype, text in settings.automatic_messages.items():
            row = factories.AutomaticMessageFactory(subtype=subtype)
            factories.AutomaticTextFactory(message=row, text=text, is_default=True)
    for name, subtype in IDLE.items():
        if settings.idle_times and (ms := getattr(settings.idle_times, name)) is not None:
            AutomaticMessage.objects.update_or_create(
                account_id=factories.ACCOUNT_ID,
                subtype=subtype,
                defaults={"timer_s": ms // 1000},
            )


def play(document: Document) -> Conversation:
    """Do what is done in a scenario, at its times, and have all of it handled."""
    start = document.steps[0].act
    assert isinstance(start, acts.Start)
    conversation = simulator.start(
        factories.ACCOUNT_ID, start, by="kim", starts_at=document.starts_at
    )
    if document.settings and document.settings.office_hours:
        mine = Simulation.objects.filter(conversation=conversation)
        mine.update(office=document.settings.office_hours)
    dispatch.drain(conversation.pk)
    start_ms = conversation.simulation.acts.get(number=1).at_ms
    for step in document.steps[1:]:
        let_pass(conversation, start_ms + step.at_ms)
        simulator.perform(conversation, step.act, by="kim")
        dispatch.drain(conversation.pk)
    return Conversation.objects.select_related("connection", "simulation").get(pk=conversation.pk)


def let_pass(conversation: Conversation, to_ms: int) -> None:
    """Have the clock go on, as it does when somebody waits for it without saying so."""
    conversation.simulation.refresh_from_db()
    if conversation.now().timestamp() * 1000 < to_ms:
        mine = Simulation.objects.filter(conversation=conversation)
        mine.update(goes_to_ms=to_ms)
        Conversation.mark_arrivals([conversation.pk])
        dispatch.drain(conversation.pk)
