-- What a room that asked was already given, so that it is told again once there is more. An answer
-- now may hold plates and contacts beside stream tokens.
alter table context_request add column given text[] not null default '{}';
