-- Seals are the backbone's table now.
insert into register_seal (register, day, sequence, head_hash, sealed_at)
    select register, day, sequence, head_hash, sealed_at from lease_seal;
drop table lease_seal;
