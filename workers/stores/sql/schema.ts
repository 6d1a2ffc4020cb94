/**
 * The table, as a store creates it and `token-thread schema` prints it; the files in `schema/` say the same. A start
 * that finds the table creates nothing, so it then needs no right to.
 *
 * Keys compare byte for byte: case and trailing spaces count. Instants are ms since the epoch.
 */
export type SqlDialect = 'postgres' | 'mysql' | 'sqlite'

export const TABLE = 'token_thread'

interface Types {
  readonly key: string
  readonly integer: string
  readonly text: string
  readonly options: string
}

const TYPES: Readonly<Record<SqlDialect, Types>> = {
  postgres: { key: 'text collate "C"', integer: 'bigint', text: 'text', options: '' },
  // As bytes: MySQL's collations of text take `a` for `A`, and most of them `a ` for `a`.
  mysql: {
    key: 'varbinary(1024)',
    integer: 'bigint',
    text: 'longtext',
    options: ' engine = innodb row_format = dynamic default charset = utf8mb4',
  },
  sqlite: { key: 'text', integer: 'integer', text: 'text', options: ' strict, without rowid' },
}

/** One statement; run again it changes nothing. */
export function createTable(dialect: SqlDialect): string {
  const { key, integer, text, options } = TYPES[dialect]
  return `create table if not exists ${TABLE} (
  account_key ${key} not null primary key,
  epoch ${integer} not null default 0,
  lease_ends ${integer} not null default 0,
  access_token ${text},
  issued_at ${integer},
  expires_at ${integer},
  generation ${integer},
  token_epoch ${integer},
  suspect_since ${integer},
  day_ends ${integer} not null default 0,
  calls ${integer} not null default 0,
  forced ${integer} not null default 0,
  last_call ${integer},
  last_forced ${integer},
  retry_at ${integer},
  retry_failures ${integer}
)${options}`
}

const NAMES: Readonly<Record<SqlDialect, string>> = {
  postgres: 'PostgreSQL',
  mysql: 'MySQL and MariaDB',
  sqlite: 'SQLite',
}

/** What people run who create their tables themselves. */
export function migration(dialect: SqlDialect): string {
  return `-- The table of token-thread for ${NAMES[dialect]}. Run again it changes nothing.
-- A store needs to SELECT, INSERT and UPDATE it, no more.
${createTable(dialect)};
`
}
