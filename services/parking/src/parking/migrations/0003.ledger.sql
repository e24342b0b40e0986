-- Double entry in whole won. Entries are only ever added; each posting adds up to 0, which the database itself sees to.
create table split_rule (
    scheme           text not null,
    valid_from       date not null, -- Seoul
    owner_percent    integer not null check (owner_percent between 0 and 100),
    operator_percent integer not null check (operator_percent between 0 and 100),
    district_percent integer not null check (district_percent between 0 and 100),
    remainder_to     text not null check (remainder_to in ('OWNER', 'OPERATOR', 'DISTRICT')),
    refunds          jsonb not null, -- [[notice minutes, percent], …], longest notice first
    overstay_percent integer not null check (overstay_percent >= 0),
    primary key (scheme, valid_from),
    check (owner_percent + operator_percent + district_percent = 100)
);

-- A day of the ledger in Seoul. Postings hold its row (for share); sealing locks it: what came later is the next day's.
create table ledger_day (
    day       date primary key,
    entries   bigint,
    root      text,
    previous  text,
    seal_hash text,
    sealed_at timestamptz,
    check (num_nulls(entries, root, previous, seal_hash, sealed_at) in (0, 5))
);

create table ledger_posting (
    posting_id uuid primary key,
    day        date not null references ledger_day,
    kind       text not null check (kind in ('PAYMENT', 'REFUND', 'SETTLEMENT')),
    booking_id uuid not null,
    lot_id     text not null,
    posted_at  timestamptz not null
);
create index ledger_posting_of_booking on ledger_posting (booking_id);
create index ledger_posting_of_lot on ledger_posting (lot_id);
-- A booking's money is given to those who share it once.
create unique index ledger_posting_closes on ledger_posting (booking_id) where kind <> 'PAYMENT';

create table ledger_entry (
    entry_id   bigint generated always as identity primary key,
    posting_id uuid not null references ledger_posting,
    day        date not null,
    account    text not null,
    amount_won bigint not null check (amount_won <> 0) -- debit above 0, credit below
);
create index ledger_entry_of_posting on ledger_entry (posting_id);
create index ledger_entry_of_day on ledger_entry (day, entry_id);
create index ledger_entry_of_account on ledger_entry (account);

create function ledger_posting_must_balance() returns trigger language plpgsql as $$
begin
    if (select sum(amount_won) from ledger_entry where posting_id = new.posting_id) <> 0 then
        raise exception 'posting % does not add up to 0', new.posting_id using errcode = 'check_violation';
    end if;
    return null;
end $$;

create constraint trigger ledger_entry_balances after insert or update on ledger_entry
    deferrable initially deferred for each row execute function ledger_posting_must_balance();

-- Against slips, not against who may drop it: that shows by the seals.
create function ledger_is_only_added_to() returns trigger language plpgsql as $$
begin
    raise exception '% is only added to', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger ledger_day_is_kept before update or delete on ledger_day
    for each row when (old.seal_hash is not null) execute function ledger_is_only_added_to();
create trigger ledger_posting_is_kept before update or delete on ledger_posting
    for each row execute function ledger_is_only_added_to();
create trigger ledger_entry_is_kept before update or delete on ledger_entry
    for each row execute function ledger_is_only_added_to();
