-- Which days' heads of a register were published (city_backbone/audit/seal.py).
create table register_seal (
    register  text not null,
    day       date not null, -- in Seoul
    sequence  bigint not null,
    head_hash text not null,
    sealed_at timestamptz not null,
    primary key (register, day)
);
