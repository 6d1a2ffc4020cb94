import { randomUUID } from 'node:crypto'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { cleanUp } from './cleanup.js'
import { MYSQL_URL, POSTGRES_URL } from './servers.js'

/** A database of the test's own on a PostgreSQL; it is dropped after the test. */
export async function postgresDatabase(server = POSTGRES_URL): Promise<string> {
  const name = `tt_${randomUUID().replaceAll('-', '')}`
  await postgresRun(server, `create database ${name}`)
  cleanUp(() => postgresRun(server, `drop database ${name} with (force)`))
  return urlOf(server, name)
}

/** The rows of the last statement. */
export async function postgresRun(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<object>(sql)
    return rows
  } finally {
    await client.end()
  }
}

/** A database of the test's own on a MySQL; it is dropped after the test. */
export async function mysqlDatabase(server = MYSQL_URL): Promise<string> {
  const name = `tt_${randomUUID().replaceAll('-', '')}`
  await mysqlRun(server, `create database ${name}`)
  cleanUp(() => mysqlRun(server, `drop database ${name}`))
  return urlOf(server, name)
}

export async function mysqlRun(url: string, sql: string): Promise<unknown> {
  const connection = await createConnection({ uri: url, multipleStatements: true })
  try {
    await connection.query('set autocommit = 1')
    const [result] = await connection.query(sql)
    return result
  } finally {
    await connection.end()
  }
}

function urlOf(server: string, database: string): string {
  const url = new URL(server)
  url.pathname = `/${database}`
  return url.href
}
