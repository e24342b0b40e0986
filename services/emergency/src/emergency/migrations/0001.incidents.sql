-- Incidents, the history of their changes, the queue to the rooms, and what rooms sent in.

create table incident (
    incident_id       uuid primary key,
    kind              text not null,
    status            text not null
        check (status in ('OCCURRED', 'CHANGED', 'CLEARED', 'CANCELLED', 'COMPLETED')),
    grade             text not null check (grade in ('URGENT', 'NORMAL')),
    title             text not null,
    description       text not null,
    place             text not null,
    latitude          double precision,
    longitude         double precision,
    items             json not null,
    occurred_at       timestamptz not null,
    changed_at        timestamptz not null,
    changed_by        text not null,
    ended_at          timestamptz,
    revision          integer not null check (revision >= 1),
    source            text not null,
    source_reference  text not null,
    source_room       text,
    source_sequence   integer not null,
    -- The occurrence number's instant, milliseconds since 1970 UTC.
    number            bigint not null unique,
    recorded_at       timestamptz not null default now()
);
create index incident_newest on incident (occurred_at desc, incident_id desc);
create index incident_cleared on incident (recorded_at) where status = 'CLEARED';

-- `change` is drawn under an advisory lock held to the commit, so its order is the commit order.
create table incident_change (
    change        bigint generated always as identity primary key,
    incident_id   uuid not null references incident,
    revision      integer not null,
    status        text not null,
    grade         text not null,
    title         text not null,
    description   text not null,
    place         text not null,
    latitude      double precision,
    longitude     double precision,
    changed_at    timestamptz not null,
    changed_by    text not null,
    unique (incident_id, revision)
);

-- `body` is the exact JSON text, so that a retry sends the same bytes.
create table room_message (
    id               bigint generated always as identity primary key,
    room             text not null,
    incident_id      uuid not null references incident,
    revision         integer not null,
    status_code      text not null,
    body             text not null,
    state            text not null default 'pending' check (state in ('pending', 'acknowledged')),
    attempts         integer not null default 0,
    last_error       text not null default '',
    next_attempt_at  timestamptz not null default now(),
    created_at       timestamptz not null default now(),
    acknowledged_at  timestamptz,
    unique (room, incident_id, revision)
);
create index room_message_due on room_message (room, next_attempt_at, id) where state = 'pending';
create index room_message_first on room_message (room, incident_id, revision)
    where state = 'pending';
create index room_message_oldest on room_message (room, created_at) where state = 'pending';
create index room_message_incident on room_message (incident_id);

-- What rooms sent and was taken: the same message again has no second effect.
create table scsns_received (
    incident_id  uuid not null,
    digest       bytea not null,
    received_at  timestamptz not null default now(),
    primary key (incident_id, digest)
);

-- Session keys given to rooms, as SHA-256, for all replicas.
create table scsns_session (
    key_digest  bytea primary key,
    room        text not null,
    expires_at  timestamptz not null
);
create index scsns_session_expiry on scsns_session (expires_at);
