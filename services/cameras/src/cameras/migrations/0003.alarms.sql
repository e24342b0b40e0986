create table rule_set (
    version         integer primary key check (version >= 1),
    effective_from  timestamptz not null unique,
    rules           jsonb not null, -- the whole set
    recorded_at     timestamptz not null default now()
);

create table alarm (
    alarm_id       uuid primary key,
    site_id        text not null,
    kind           text not null,
    number         integer not null check (number >= 1),
    status         text not null
        check (status in ('RAISED', 'ACKNOWLEDGED', 'DISMISSED', 'ESCALATED')),
    urgency        text not null check (urgency in ('URGENT', 'NORMAL')),
    place          text not null,
    purpose        text not null,
    latitude       double precision not null,
    longitude      double precision not null,
    occurred_at    timestamptz not null,
    persisted_at   timestamptz not null,
    raised_at      timestamptz not null,
    changed_at     timestamptz not null,
    changed_by     text not null,
    reason         text not null,
    revision       integer not null check (revision >= 1),
    witnesses      jsonb not null,
    detection_ids  text[] not null,
    rule_id        text not null,
    rule_version   integer not null references rule_set,
    escalates_at   timestamptz,
    unique (site_id, kind, number)
);
create index alarm_newest on alarm (occurred_at desc, alarm_id desc);
create index alarm_due on alarm (escalates_at) where status = 'RAISED';

-- `change` is drawn under an advisory lock held to the commit, so its order is the commit order.
create table alarm_change (
    change         bigint generated always as identity primary key,
    alarm_id       uuid not null references alarm,
    revision       integer not null,
    status         text not null,
    urgency        text not null,
    purpose        text not null,
    occurred_at    timestamptz not null,
    persisted_at   timestamptz not null,
    changed_at     timestamptz not null,
    changed_by     text not null,
    reason         text not null,
    witnesses      jsonb not null,
    detection_ids  text[] not null,
    rule_id        text not null,
    rule_version   integer not null,
    escalates_at   timestamptz,
    unique (alarm_id, revision)
);

-- Changes with every batch: no index but the key, and room in the page, so that an update is
-- heap-only. `state` is cameras.alarms.watch.Watch as MessagePack.
create table site_watch (
    site_id      text not null,
    kind         text not null,
    state        bytea not null,
    last_offset  bigint not null, -- of the detections' topic: what came up to here has its effect
    touched_at   timestamptz not null,
    primary key (site_id, kind)
) with (fillfactor = 50);
