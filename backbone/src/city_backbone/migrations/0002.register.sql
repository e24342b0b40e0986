-- Hash-chained registers (city_backbone/register.py): rows are only ever added.
create table register_record (
    register       text not null,
    sequence       bigint not null check (sequence > 0),
    recorded_at    timestamptz not null,
    actor          text not null,
    action         text not null,
    subject        text not null,
    department     text not null,
    source_address text not null,
    details        jsonb not null,
    previous       text not null,
    hash           text not null,
    primary key (register, sequence)
);
