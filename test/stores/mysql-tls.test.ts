import { readFileSync } from 'node:fs'
import { systemClock } from '../../src/clock.js'
import { mysqlStore } from '../../workers/stores/sql/mysql.js'
import { mariadbServer } from '../support/mariadb-server.js'
import { describeWith } from '../support/servers.js'
import { mysqlRun } from '../support/sql-databases.js'
import { tlsTests } from '../support/sql-tls.js'

describeWith('mysql-program', 'a MariaDB over TLS', () => {
  tlsTests({
    user: 'mysql',
    start: ({ cert, key }) => mariadbServer(`--ssl-cert=${cert}`, `--ssl-key=${key}`),
    urlOf: async (server, ca) => {
      await mysqlRun(
        server.url,
        `create user if not exists me@'%' require ssl; grant all on test.* to me@'%'`,
      )
      const url = new URL(server.url)
      url.username = 'me'
      url.searchParams.set('ssl', JSON.stringify({ ca: readFileSync(ca, 'utf8') }))
      return url.href
    },
    open: (url) => mysqlStore(url, { clock: systemClock, warn: () => undefined }),
    parameter: 'ssl',
  })
})
