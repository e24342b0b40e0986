-- People under pseudonyms. What they say and what is measured is only ever ciphertext under their own key.
create table person (
    person_id    uuid primary key,
    token_mac    bytea not null unique, -- HMAC-SHA-256 of the secret token: finds the person, does not tell it
    status       text not null check (status in ('ENROLLED', 'WITHDRAWING', 'FORGOTTEN')),
    zone         text not null, -- empty once forgotten
    priority     smallint not null, -- 1 is first; 0 once forgotten
    profile      bytea, -- sealed; null once forgotten
    purposes     text[] not null, -- consented to: MEASUREMENT, EMERGENCY, REMINDER; none once forgotten
    consent_version text not null,
    consented_at timestamptz not null,
    withdrawn_at timestamptz,
    certificate  bytea -- serialised ForgettingCertificate; without its signature while WITHDRAWING
);
create index person_withdrawing on person (withdrawn_at) where status = 'WITHDRAWING';

-- When somebody should be reminded; told of without identity.
create table follow_up (
    follow_up_id uuid primary key,
    person_id    uuid not null references person,
    kind         text not null check (kind in ('MEASURE_AGAIN', 'SEE_DOCTOR')),
    zone         text not null,
    priority     smallint not null,
    due_at       timestamptz not null,
    told_at      timestamptz,
    done_at      timestamptz,
    unique (person_id, kind)
);
create index follow_up_due on follow_up (due_at) where told_at is null and done_at is null;
create index follow_up_open on follow_up (priority, due_at, follow_up_id) where done_at is null;

-- What the newest measurement of each code advised; follow-ups are decided by it.
create table follow_up_basis (
    person_id uuid primary key references person,
    sealed    bytea not null
);
