-- Claims on bays. The exclusion constraint is what keeps two of them apart.
create table booking (
    booking_id        uuid primary key,
    bay_id            text not null references bay,
    lot_id            text not null references lot,
    vehicle_id        uuid, -- null: the owner's own
    owners            boolean not null,
    during            tstzrange not null,
    status            text not null check (status in (
        'HELD', 'CONFIRMED', 'OCCUPIED', 'OVERSTAYED', 'SETTLED', 'REFUNDED', 'EXPIRED', 'RELEASED'
    )),
    revision          integer not null,
    price_won         integer not null check (price_won >= 0),
    overstay_won      integer not null default 0 check (overstay_won >= 0),
    refund_won        integer not null default 0 check (refund_won >= 0),
    payment_reference text not null default '',
    held_at           timestamptz not null,
    hold_expires_at   timestamptz not null,
    confirmed_at      timestamptz,
    checked_in_at     timestamptz,
    checked_out_at    timestamptz,
    changed_at        timestamptz not null,
    reason            text not null default '',
    due_at            timestamptz, -- when the clock next makes a difference to it or its bay; null: never again
    constraint booking_interval check (
        not isempty(during) and lower_inc(during) and not upper_inc(during)
        and not lower_inf(during) and not upper_inf(during)
    ),
    constraint booking_one_live_claim exclude using gist (bay_id with =, during with &&)
        where (status in ('HELD', 'CONFIRMED', 'OCCUPIED'))
);
create index booking_newest on booking (held_at desc, booking_id desc);
create index booking_of_bay on booking (bay_id, held_at desc, booking_id desc);
create index booking_of_vehicle on booking (vehicle_id, held_at desc, booking_id desc) where vehicle_id is not null;
create index booking_of_lot on booking (lot_id, held_at desc, booking_id desc);
create index booking_due on booking (due_at) where due_at is not null;
create index booking_staying on booking (bay_id) where status in ('OCCUPIED', 'OVERSTAYED');
create index booking_last_ended on booking (bay_id, changed_at desc)
    where status = 'SETTLED' and checked_in_at is not null;
