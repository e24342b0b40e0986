create table site (
    site_id text primary key,
    name text not null,
    purpose text not null
        check (purpose in ('LIVING_AREA_SECURITY', 'PARK', 'VEHICLE', 'CHILD_PROTECTION')),
    position point not null -- x: degrees east, y: degrees north, WGS 84
);

create table camera (
    camera_id text primary key,
    site_id text not null references site,
    purpose text not null
        check (purpose in ('LIVING_AREA_SECURITY', 'PARK', 'VEHICLE', 'CHILD_PROTECTION')),
    position point not null, -- as a site's
    heading_degrees double precision, -- null: looks all around
    field_of_view_degrees double precision not null,
    range_metres double precision not null,
    retention_days integer not null,
    stream_address text not null,
    retired boolean not null default false
);
create index camera_site on camera (site_id, camera_id);
create index camera_position on camera using gist (position) where not retired;

-- What changes with every heartbeat: no index but the key, and room in the page, so that an
-- update is heap-only. Locked, in the order of ids, by whoever takes heartbeats or judges.
create table camera_presence (
    camera_id text primary key references camera,
    status text not null default 'UNKNOWN' check (status in ('UNKNOWN', 'ONLINE', 'OFFLINE')),
    last_heard_at timestamptz, -- the newest heartbeat's own time
    heard_since timestamptz, -- heard of without a break
    recent timestamptz[] not null default '{}' -- the newest heartbeats that count, oldest first
) with (fillfactor = 50);

-- One row: since when heartbeats are listened for without a break, and until when.
create table presence_watch (
    only_row boolean primary key default true check (only_row),
    since timestamptz,
    until timestamptz
);
insert into presence_watch default values;
