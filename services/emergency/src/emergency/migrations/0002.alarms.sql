-- Incidents of cameras' alarms: their 112 code and desks, which alarms joined which incident, what
-- is still to be found out, and answers to rooms.

alter table incident
    add column police_code smallint check (police_code between 0 and 4),
    add column desks text[] not null default '{}',
    -- When the newest alarm that joined it occurred.
    add column alarm_at timestamptz;
create index incident_mergeable on incident (alarm_at)
    where alarm_at is not null and status in ('OCCURRED', 'CHANGED');

alter table incident_change
    add column police_code smallint,
    add column desks text[] not null default '{}';

-- An alarm joins one incident, once.
create table incident_alarm (
    alarm_id     uuid primary key,
    incident_id  uuid not null references incident,
    occurred_at  timestamptz not null,
    joined_at    timestamptz not null default now()
);
create index incident_alarm_incident on incident_alarm (incident_id);

-- An answer to the room that asked for video: `revision` counts the answers, and the body, which
-- holds stream tokens, is blank once the room has it.
alter table room_message
    add column answer boolean not null default false,
    -- W3C trace context of what caused it; null when that was not sampled.
    add column traceparent text,
    add constraint answered_body_is_blank
        check (not answer or state = 'pending' or body = '');

-- Context that is still to be gathered; `room` is the one that asked for it, null when none did.
create table context_request (
    incident_id   uuid primary key references incident,
    room          text,
    state         text not null default 'waiting' check (state in ('waiting', 'done')),
    attempts      integer not null default 0,
    due_at        timestamptz not null default now(),
    answers       integer not null default 0,
    answered_at   timestamptz,
    requested_at  timestamptz not null default now()
);
create index context_request_due on context_request (due_at) where state = 'waiting';
