import { chaosTest } from '../support/fleet-chaos.js'
import { serverVictim } from '../support/fleet-faults.js'
import { mariadbServer } from '../support/mariadb-server.js'
import { describeWith } from '../support/servers.js'

describeWith('mysql-program', 'processes on a MariaDB that fails as they do', () => {
  chaosTest('classic', async () => serverVictim('mysql', await mariadbServer()))
})
