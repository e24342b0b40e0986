-- What sensors see, what that makes of bays and lots, and where it disagrees with the bookings.
create table bay_sensor (
    sensor_id text primary key,
    bay_id    text unique references bay, -- null: another sensor has taken its place
    moved_at  timestamptz -- what it observed until then was another bay; null: it never moved
);

-- A bay as it was last told of. Changed under the lock of its bay.
create table bay_state (
    bay_id          text primary key references bay,
    status          text not null check (status in ('FREE', 'RESERVED', 'OCCUPIED', 'OUT_OF_SERVICE')),
    revision        bigint not null, -- 0: nothing was told yet
    changed_at      timestamptz not null,
    sensor_id       text, -- null: none was heard yet
    sensor_occupied boolean,
    sensor_since    timestamptz, -- since when it says so
    sensor_heard_at timestamptz, -- the newest reading's own time
    judge_at        timestamptz -- when to look for disagreement next; null: there can be none
);
create index bay_state_judge on bay_state (judge_at) where judge_at is not null;

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

-- A mark for each change of a bay, so that nobody waits for another's; many of a lot cost one count.
create table lot_to_count (
    mark_id bigint generated always as identity primary key,
    lot_id  text not null,
    since   timestamptz not null
);
create index lot_to_count_of_lot on lot_to_count (lot_id);

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
create index dispute_open on dispute (opened_at desc, dispute_id desc) where resolved_at is null;
create index dispute_of_lot on dispute (lot_id, opened_at desc, dispute_id desc);
-- Judging asks when the owner's own last claim of a bay was over.
create index booking_owners_over on booking (bay_id, changed_at desc) where owners and status = 'RELEASED';
