-- What ONVIF cameras said once and have not taken back; repeated every second while it stands.
create table held_state (
    camera_id text not null,
    topic text not null, -- the mapping's rule
    instance text not null, -- which of the camera's properties of that topic
    kind text not null,
    track_id text not null,
    confidence double precision not null check (confidence between 0 and 1),
    confirmed_at timestamptz not null, -- when the camera last said so
    emit_at timestamptz not null, -- the next whole second to say
    primary key (camera_id, topic, instance)
);
create index held_state_due on held_state (emit_at);

-- Messages of cameras that nobody could read, for whoever extends the mapping.
create table parked_notification (
    topic text not null,
    camera_id text not null,
    reason text not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    count bigint not null,
    sample text not null check (octet_length(sample) <= 4096),
    primary key (topic, camera_id, reason)
);
create index parked_notification_last_seen on parked_notification (last_seen);
