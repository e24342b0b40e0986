create table station (
    station_id text primary key,
    name text not null,
    dong text not null,
    position point not null, -- x: degrees east, y: degrees north, WGS 84
    kind text not null check (kind in ('OFFICIAL', 'IOT')),
    pollutants text[] not null check (cardinality(pollutants) > 0),
    interval_minutes integer not null check (60 % interval_minutes = 0),
    retired boolean not null default false
);
create index station_dong on station (dong, station_id);
create index station_position on station using gist (position);

-- Ingest's row of a station; locked by whoever publishes its readings.
create table station_contact (
    station_id text primary key references station,
    registered_at timestamptz not null,
    last_received_at timestamptz,
    silent_since timestamptz
);

-- The stream's row of a station; locked by whoever folds its hours.
create table station_clock (
    station_id text primary key references station,
    newest_measured_at timestamptz
);

create table accepted_reading (
    station_id text not null,
    measured_at timestamptz not null,
    digest bytea not null,
    primary key (station_id, measured_at)
);

create table latest_value (
    station_id text not null,
    pollutant text not null,
    value double precision not null,
    run_length integer not null,
    measured_at timestamptz not null,
    primary key (station_id, pollutant)
);

create table hour_window (
    station_id text not null,
    hour_end timestamptz not null,
    expected integer not null,
    readings integer not null,
    sums jsonb not null, -- {"PM10": [sum of millionths of the unit, count], ...}
    last_received_at timestamptz not null,
    revision integer not null, -- 0: open
    primary key (station_id, hour_end)
);
create index hour_window_open on hour_window (station_id, hour_end) where revision = 0;

-- The alert rule's state after the last folded hour, and what it was before that hour.
create table station_alert_state (
    station_id text not null,
    pollutant text not null,
    level smallint not null,
    last_hour_end timestamptz not null,
    last_concentration bigint, -- millionths of the unit; null: no valid mean
    last_revision integer not null,
    level_before smallint not null,
    before_hour_end timestamptz,
    before_concentration bigint,
    before_revision integer,
    primary key (station_id, pollutant)
);

-- One row per neighbourhood and pollutant; locked by whoever changes its alert.
create table area (
    dong text not null,
    pollutant text not null,
    level smallint not null default 0,
    alert_id uuid, -- of the alert that stands
    primary key (dong, pollutant)
);

create table alert (
    alert_id uuid primary key,
    dong text not null,
    pollutant text not null,
    level smallint not null, -- 0: lifted
    issued_at timestamptz not null,
    changed_at timestamptz not null,
    sequence integer not null,
    rule_version text not null
);
create index alert_issued on alert (issued_at desc, alert_id desc);
create index alert_area on alert (dong, pollutant, issued_at);

create table alert_change (
    alert_id uuid not null references alert,
    sequence integer not null,
    level smallint not null,
    changed_at timestamptz not null,
    primary key (alert_id, sequence)
);

-- The newest assessed hour of each station.
create sequence air_quality_change;
create table air_quality (
    station_id text primary key references station,
    hour_end timestamptz not null,
    revision integer not null,
    index integer,
    grade text not null,
    dominant_pollutant text,
    pollutants jsonb not null,
    completeness double precision not null,
    change bigint not null unique
);
