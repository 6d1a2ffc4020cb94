-- The table of token-thread for SQLite. Run again it changes nothing.
-- A store needs to SELECT, INSERT and UPDATE it, no more.
create table if not exists token_thread (
  account_key text not null primary key,
  epoch integer not null default 0,
  lease_ends integer not null default 0,
  access_token text,
  issued_at integer,
  expires_at integer,
  generation integer,
  token_epoch integer,
  suspect_since integer,
  day_ends integer not null default 0,
  calls integer not null default 0,
  forced integer not null default 0,
  last_call integer,
  last_forced integer,
  retry_at integer,
  retry_failures integer
) strict, without rowid;
