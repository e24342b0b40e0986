-- Acute readings that 119 was told of, and the incidents emergency made of them.
create table acute_case (
    case_id     uuid primary key,
    person_id   uuid not null references person,
    session_id  uuid references kiosk_session,
    kiosk_id    text not null references kiosk,
    score       smallint not null,
    detected_at timestamptz not null
);
create index acute_case_of_person on acute_case (person_id);

create table known_incident (
    incident_id uuid primary key,
    revision    integer not null,
    live        boolean not null,
    source      text not null,
    source_reference text not null -- of an incident of ours the case_id
);
