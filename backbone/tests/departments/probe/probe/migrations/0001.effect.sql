create table effect (
    id         bigint generated always as identity primary key,
    event_id   uuid not null,
    thing_id   text not null,
    count      bigint not null,
    place      text not null,
    constraint welcome check (thing_id not like '%unwelcome%')
);
