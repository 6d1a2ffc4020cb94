import cluster from 'node:cluster'
import type { Environment } from './config.js'
import type { AccountConfig } from './protocol.js'

/**
 * The classic endpoint retires the last token at each fetch. Whoever fetches beside us with a store of its own makes
 * our token void, and we theirs, for ever (wechat-python-sdk#70). What can be seen of that from here is said loudly.
 */

/** The classic AppIDs that TokenThreads of this thread refresh now: it belongs to the process, as the tokens do. */
const classicHere = new Map<string, number>()

/** The warnings for these accounts, and how to leave the list again. */
export function joinNeighbours(
  accounts: readonly AccountConfig[],
  env: Environment,
): { readonly warnings: readonly { account: string; message: string }[]; readonly leave: () => void } {
  const classic = accounts.filter(({ endpoint }) => endpoint === 'classic')
  const others = othersIn(env)
  const warnings = classic.flatMap(({ id, appId }) => {
    const twice =
      (classicHere.get(appId) ?? 0) > 0 || classic.filter((other) => other.appId === appId).length > 1
    const who = twice ? 'another refresher of the same AppID runs in this process' : others
    if (who === undefined) return []
    return [
      {
        account: id,
        message: `${who}: on the classic endpoint they revoke each other’s tokens; give all of them one store (option store), use endpoint 'stable', or refresh in one place only`,
      },
    ]
  })
  for (const { appId } of classic) classicHere.set(appId, (classicHere.get(appId) ?? 0) + 1)
  return {
    warnings,
    leave: () => {
      for (const { appId } of classic) {
        const left = (classicHere.get(appId) ?? 0) - 1
        if (left > 0) classicHere.set(appId, left)
        else classicHere.delete(appId)
      }
    },
  }
}

function othersIn(env: Environment): string | undefined {
  if (cluster.isWorker) return 'this is a worker of node:cluster, and each worker fetches its own token'
  // PM2 numbers the instances of cluster mode, and its fork mode too where several are asked for.
  if (env.NODE_APP_INSTANCE !== undefined && env.pm_id !== undefined) {
    return 'this runs under PM2, where each instance fetches its own token'
  }
  return undefined
}
