"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from city.health.v1.person_pb2_grpc import add_PersonServiceServicer_to_server
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.seal import Seal
from city_backbone.crypto import secret_key
from city_backbone.register import Register
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from health.assessment import rulebook
from health.clock import utc_now
from health.people.certificate import signer
from health.people.contact import Contacts
from health.people.directory import People
from health.people.enrolment import Enrolment
from health.people.follow_up import Rule
from health.people.follow_ups import FollowUps
from health.people.keyring import FileKeyring
from health.people.reads import REGISTER, REGISTER_SEALED
from health.people.reminders import Reminders
from health.people.restored import Restored
from health.people.rpc import NAME, PersonServicer
from health.people.token import Tokens
from health.people.trend import Trend
from health.people.withdrawal import Step, Withdrawals
from health.settings import HealthSettings

_RESTORED_SECONDS = 3600.0


def directory(backbone: Backbone[HealthSettings]) -> People:
    """For every part that reads or stores what is somebody's. Raises SettingsError."""
    return People(*_kept(backbone.settings))


def people(
    backbone: Backbone[HealthSettings],
    clock: Callable[[], datetime] = utc_now,
    after: Callable[[Step], None] = lambda step: None,
) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    # Cases needs the directory above: needed at once, neither module could be loaded.
    from health.cases.wiring import desk

    settings, assessment = backbone.settings.people, backbone.settings.assessment
    database, outbox, stopping = backbone.database, backbone.outbox, backbone.stopping
    keyring, tokens = _kept(backbone.settings)
    rules = rulebook.load(assessment.rules_file)
    register = Register(REGISTER)
    known = People(keyring, tokens)
    measure_again = timedelta(days=settings.measure_again_days)
    rule = Rule(
        measure_again,
        timedelta(days=settings.see_doctor_days),
        timedelta(minutes=assessment.acute_within_minutes),
        rules.acute.total,
    )
    key_file = settings.signing_key_file or backbone.settings.tls.key_file
    withdrawals = Withdrawals(database, keyring, tokens, signer(key_file), clock, after)
    servicer = PersonServicer(
        database,
        Enrolment(database, backbone.idempotency, keyring, tokens, measure_again, clock),
        withdrawals,
        Trend(known, register, rules, clock),
        Contacts(known, register),
        desk(backbone, clock),
        Attempts(database, backbone.idempotency, register),
        register,
        clock,
    )
    work = {
        "take up withdrawals": (settings.withdraw_every_seconds, withdrawals.take_up),
        "destroy restored keys": (_RESTORED_SECONDS, Restored(keyring).destroy),
        "tell follow-ups": (settings.follow_up_every_seconds, Reminders(outbox, clock).tell),
        "seal register": (
            settings.seal_every_seconds,
            Seal(REGISTER, register, REGISTER_SEALED, outbox, clock).seal,
        ),
    }
    return Service(
        servicers=[(add_PersonServiceServicer_to_server, servicer, NAME)],
        subscriptions=FollowUps(known, rules, rule, backbone.meter, clock).subscriptions(),
        tasks={
            name: every(seconds, task, database, stopping) for name, (seconds, task) in work.items()
        },
    )


def _kept(settings: HealthSettings) -> tuple[FileKeyring, Tokens]:
    key = secret_key("PEOPLE__KEY", settings.people.key.get_secret_value())
    return FileKeyring(settings.people.keyring, key), Tokens(key)
