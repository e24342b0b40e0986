-- Kiosks, and people's sessions at them.
create table kiosk (
    kiosk_id text primary key,
    place    text not null,
    zone     text not null,
    position point not null, -- x: degrees east, y: degrees north, WGS 84
    devices  jsonb not null -- [{"device_id", "codes", "model"}, …]
);

create table kiosk_session (
    session_id      uuid primary key,
    kiosk_id        text not null references kiosk,
    person_id       uuid not null references person,
    began_at        timestamptz not null,
    stored_sequence integer not null default 0 check (stored_sequence >= 0), -- all up to here are stored
    ended_at        timestamptz
);
create index kiosk_session_of_person on kiosk_session (person_id);

create table measurement (
    measurement_id uuid primary key,
    person_id      uuid not null references person,
    session_id     uuid references kiosk_session, -- null: came as FHIR
    sequence       integer,
    kiosk_id       text references kiosk,
    sealed         bytea not null,
    stored_at      timestamptz not null,
    unique (session_id, sequence),
    check ((session_id is null) = (sequence is null))
);
create index measurement_of_person on measurement (person_id, stored_at, measurement_id);
