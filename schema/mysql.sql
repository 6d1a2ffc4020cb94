-- The table of token-thread for MySQL and MariaDB. Run again it changes nothing.
-- A store needs to SELECT, INSERT and UPDATE it, no more.
create table if not exists token_thread (
  account_key varbinary(1024) not null primary key,
  epoch bigint not null default 0,
  lease_ends bigint not null default 0,
  access_token longtext,
  issued_at bigint,
  expires_at bigint,
  generation bigint,
  token_epoch bigint,
  suspect_since bigint,
  day_ends bigint not null default 0,
  calls bigint not null default 0,
  forced bigint not null default 0,
  last_call bigint,
  last_forced bigint,
  retry_at bigint,
  retry_failures bigint
) engine = innodb row_format = dynamic default charset = utf8mb4;
