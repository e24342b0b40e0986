-- Shared tables of the backbone, in each department's own database.
create table outbox (
    id         bigint generated always as identity primary key,
    topic      text not null,
    key        bytea,
    value      bytea,
    headers    json not null,
    created_at timestamptz not null default clock_timestamp()
);

create table outbox_rejected (
    id          bigint primary key,
    topic       text not null,
    key         bytea,
    value       bytea,
    headers     json not null,
    created_at  timestamptz not null,
    rejected_at timestamptz not null default clock_timestamp(),
    reason      text not null
);

create table inbox (
    event_id    uuid primary key,
    received_at timestamptz not null default clock_timestamp()
);
create index inbox_received_at on inbox using brin (received_at);

create table parked_event (
    id        bigint generated always as identity primary key,
    topic     text not null,
    partition integer not null,
    "offset"  bigint not null,
    key       bytea,
    value     bytea,
    headers   json not null,
    reason    text not null,
    parked_at timestamptz not null default clock_timestamp(),
    unique (topic, partition, "offset")
);

create table idempotency (
    key            uuid primary key,
    method         text not null,
    caller         text not null,
    request_digest bytea not null,
    response       bytea not null,
    created_at     timestamptz not null default clock_timestamp()
);
create index idempotency_created_at on idempotency using brin (created_at);

create table known_schema (
    id      integer primary key,
    subject text,
    schema  jsonb not null
);
