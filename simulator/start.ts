import { createAccount } from './account.js'
import { control, controlPrefix } from './control.js'
import { Tally } from './counters.js'
import { exchange } from './exchange.js'
import { Faults } from './faults.js'
import { IssuedTokens } from './issued.js'
import { listen } from './listener.js'
import { livesOf } from './lives.js'
import { type Settings, type SimulatorOptions, readOptions } from './options.js'
import { Simulator } from './simulator.js'
import type { World } from './world.js'

/**
 * Starts a local WeChat token API. It resolves once it listens.
 *
 *     const sim = await startSimulator({ accounts: [{ appId: 'wx1', appSecret: 's' }], expiresIn: 2 })
 *     const tokens = await TokenThread.start(sim.options('wx1'))
 *
 * @throws SimulatorInputError for an option that can't be used; an Error with code EADDRINUSE for a port that
 *   is taken.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const settings = readOptions(options)
  const world = createWorld(settings)
  const listener = await listen(settings.host, settings.port)
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  const simulator = new Simulator(`http://${host}:${listener.port}`, settings, world, listener)
  const answerControl = control(simulator, [...world.accounts.keys()])
  listener.serve((req, res) => {
    const address = `${simulator.url}${req.url ?? '/'}`
    if (!URL.canParse(address)) {
      res.writeHead(400).end()
      return
    }
    const url = new URL(address)
    const answered = url.pathname.startsWith(controlPrefix)
      ? answerControl(req, res, url)
      : exchange(world, simulator, url, req, res)
    answered.catch((error: unknown) => {
      warn(error)
      req.socket.destroy()
    })
  })
  return simulator
}

/**
 * What an exchange must not throw is a bug of the simulator's, or of a listener's or clock's that it was given: it
 * costs that request its connection, not the process its life, and is said on stderr.
 */
function warn(error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning('simulator: a request was dropped', { type: 'SimulatorWarning', detail })
}

function createWorld(settings: Settings): World {
  const issued = new IssuedTokens()
  const world: World = {
    accounts: new Map(
      settings.accounts.map((account) => [
        account.appId,
        createAccount(account, settings, issued, () => world.lives),
      ]),
    ),
    issued,
    tally: new Tally(settings.accounts.map(({ appId }) => appId)),
    faults: new Faults(),
    gzip: settings.gzip,
    now: settings.now,
    lives: livesOf(settings, settings.expiresIn),
  }
  return world
}
