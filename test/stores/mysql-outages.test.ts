import { systemClock } from '../../src/clock.js'
import { mysqlStore } from '../../workers/stores/sql/mysql.js'
import { mariadbServer } from '../support/mariadb-server.js'
import { describeWith } from '../support/servers.js'
import { mysqlRun } from '../support/sql-databases.js'
import { OPERATION_TIMEOUT, outageTests } from '../support/sql-outages.js'

describeWith('mysql-program', 'a MariaDB that comes and goes', () => {
  outageTests({
    start: mariadbServer,
    open: (url) =>
      mysqlStore(url, {
        clock: systemClock,
        warn: () => undefined,
        operationTimeout: OPERATION_TIMEOUT,
      }),
    dropTable: (url) => mysqlRun(url, 'drop table token_thread'),
  })
})
