-- What sensors see, what that makes of bays and lots, and where it disagrees with the bookings.
create table bay_sensor (
    sensor_id text primary key,
    bay_id    text not null references bay
);
create index bay_sensor_of_bay on bay_sensor (bay_id);

-- A bay as it was last told of. Changed under the lock of its bay.
create table bay_state (
    bay_id         text primary key references bay,
    status         text not null check (status in ('FREE', 'RESERVED', 'OCCUPIED', 'OUT_OF_SERVICE')),
    revision       bigint not null,
    changed_at     timestamptz not null,
    sensor_id      text, -- the sensor that was heard last; null: none yet
    sensor_occupied boolean,
    sensor_since   timestamptz, -- since when it says so
    sensor_heard_at timestamptz -- the newest reading's own time
);

create table occupancy_reading (
    bay_id      text not null,
    observed_at timestamptz not null,
    sensor_id   text not null,
    occupied    boolean not null,
    primary key (bay_id, observed_at, sensor_id)
);
create index occupancy_reading_age on occupancy_reading using brin (observed_at);

create table lot_state (
    lot_id     text primary key references lot,
    revision   bigint not null,
    bays       integer not null,
    occupied   integer not null,
    reserved   integer not null,
    changed_at timestamptz not null
);

-- Lots with a bay that changed since they were counted; many at once cost one count.
create table lot_to_count (
    lot_id text primary key references lot,
    since  timestamptz not null
);

create table dispute (
    dispute_id  uuid primary key,
    kind        text not null check (kind in (
        'OCCUPIED_WITHOUT_BOOKING', 'EMPTY_THOUGH_CHECKED_IN', 'OCCUPIED_AFTER_CHECK_OUT', 'BLOCKED_BY_OVERSTAY'
    )),
    bay_id      text not null references bay,
    lot_id      text not null references lot,
    booking_id  uuid references booking,
    since       timestamptz not null,
    opened_at   timestamptz not null,
    evidence    jsonb not null, -- [{"at", "source", "said"}, …]
    resolved_at timestamptz,
    resolved_by text,
    resolution  text
);
create index dispute_newest on dispute (opened_at desc, dispute_id desc);
create index dispute_of_lot on dispute (lot_id, opened_at desc, dispute_id desc);
