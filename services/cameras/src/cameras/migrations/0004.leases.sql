-- Leased video: which incidents are live, who may look at which camera, what was sealed.
create table lease_incident (
    incident_id uuid primary key,
    revision    integer not null, -- 0: only a room's request told of it so far
    live        boolean not null,
    police_code smallint
);

create table lease (
    lease_id            uuid primary key,
    camera_id           text not null,
    incident_id         uuid not null references lease_incident,
    ground              text not null,
    requester           text not null,
    requested_by        text not null,
    status              text not null check (
        status in ('REQUESTED', 'ACTIVE', 'PROVISIONAL', 'REFUSED', 'REVOKED', 'ENDED')
    ),
    approver            text not null,
    approved_afterwards boolean not null,
    automatic           boolean not null,
    requested_at        timestamptz not null,
    duration            interval not null,
    starts_at           timestamptz,
    ends_at             timestamptz,
    approve_by          timestamptz,
    reason              text not null,
    due_at              timestamptz generated always as (
        case
            when status in ('REQUESTED', 'PROVISIONAL') then approve_by
            when status = 'ACTIVE' then ends_at
        end
    ) stored,
    check (status not in ('ACTIVE', 'PROVISIONAL') or starts_at < ends_at),
    check (status not in ('REQUESTED', 'PROVISIONAL') or approve_by is not null)
);
create unique index lease_of_scene on lease (incident_id, camera_id) where automatic;
create index lease_newest on lease (requested_at desc, lease_id desc);
create index lease_of_incident on lease (incident_id, requested_at desc, lease_id desc);
create index lease_due on lease (due_at) where due_at is not null;

create table lease_seal (
    register  text not null,
    day       date not null,
    sequence  bigint not null,
    head_hash text not null,
    sealed_at timestamptz not null,
    primary key (register, day)
);
