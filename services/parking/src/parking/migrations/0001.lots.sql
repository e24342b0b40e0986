-- Lots, their fees and hours, and bays with their owners' terms.
create extension if not exists btree_gist;

create table lot (
    lot_id            text primary key,
    kind              text not null check (kind in ('PUBLIC', 'SHARED')),
    provider_code     text, -- with the number and the name, what a public lot is in the data set; null for an alley
    management_number text,
    name              text not null,
    address           text not null,
    position          point not null, -- x: degrees east, y: degrees north, WGS 84
    hours             jsonb not null, -- {"weekday": [start, end] | null, "saturday": …, "holiday": …}, minutes of the day
    fees              jsonb not null, -- parking/lots/fees.py
    operator          text not null,
    phone             text not null,
    remark            text not null,
    district          text not null,
    scheme            text not null,
    min_unit_fee_won  integer not null default 0,
    max_unit_fee_won  integer not null default 0,
    data_date         date -- of the data set, null for an alley
);
-- Partial, so that its columns are no key in PostgreSQL's sense: an import that locks a lot for an update of them
-- must not wait for bookings that name the lot, as it then takes its bays, which they hold.
create unique index lot_published on lot (provider_code, management_number, name) where kind = 'PUBLIC';
create index lot_position on lot using gist (position);

-- Locked by whoever claims the bay, or changes its terms or its status: that is the order of its events.
create table bay (
    bay_id         text primary key,
    lot_id         text not null references lot,
    number         integer not null,
    position       point not null,
    in_service     boolean not null default true,
    owner_id       uuid,
    unit_fee_won   integer,
    weekly_windows jsonb not null default '[]', -- [[iso weekday, start, end], …], minutes of the day in Seoul
    exceptions     jsonb not null default '[]', -- [[from, to, offered], …], RFC 3339 UTC
    unique (lot_id, number)
);
create index bay_position on bay using gist (position) where owner_id is not null;
create index bay_owner on bay (owner_id) where owner_id is not null;
