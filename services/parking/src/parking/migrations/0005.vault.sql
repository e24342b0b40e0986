-- Who is behind the ids; plates, names and contacts only as ciphertext (AES-256-GCM).
create table vehicle (
    vehicle_id uuid primary key,
    plate_mac  bytea not null unique, -- HMAC-SHA-256 of the plate: finds it, does not tell it
    plate      bytea not null,
    contact    bytea not null
);

create table owner (
    owner_id uuid primary key,
    name     bytea not null,
    contact  bytea not null
);

-- Derived from the key that everything here was written with, so that another one shows at once.
create table vault_key (
    only_one boolean primary key default true check (only_one),
    mark     bytea not null
);

-- Incidents as emergency told of them.
create table known_incident (
    incident_id uuid primary key,
    revision    integer not null,
    live        boolean not null,
    position    point -- x: degrees east, y: degrees north, WGS 84; null: unknown
);
