// By its default export: the banner of a bundle often declares a `createRequire`.
import nodeModule from 'node:module'
import { join } from 'node:path'
import { messageOf } from '../../src/errors.js'
import { StoreOperatorError } from './store-error.js'

/**
 * Loads what only one kind of store needs, when that kind is used. By `require`: `import` reads files through libuv's
 * pool, on which a saturated application would keep a restarted thread waiting.
 */
export function peer<T>(name: string, install: string, isIt: (module: unknown) => module is T): T {
  const module = required(name, install)
  if (!isIt(module))
    throw new StoreOperatorError(
      `the package ${name} is of a version that does not fit: npm install ${install}`,
    )
  return module
}

/** Beside this package, then where the process runs: a bundle, or a linked package, lies elsewhere. */
function required(name: string, install: string): unknown {
  for (const requireFrom of [requireHere(), nodeModule.createRequire(join(process.cwd(), 'package.json'))]) {
    try {
      return requireFrom(name)
    } catch (error) {
      if (!isNotFound(error, name))
        throw new StoreOperatorError(`the package ${name} does not load: ${messageOf(error)}`)
    }
  }
  throw new StoreOperatorError(`the store needs the package ${name}: npm install ${install}`)
}

/** In a bundle of CommonJS there is no `import.meta.url`: the thread's own file is then the place to look from. */
function requireHere({ url }: { readonly url?: string } = import.meta): NodeJS.Require {
  return nodeModule.createRequire(url ?? process.argv[1] ?? process.execPath)
}

/** What it needs itself may be missing, too: that is another trouble. */
function isNotFound(error: unknown, name: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'MODULE_NOT_FOUND' &&
    error.message.includes(`'${name}'`)
  )
}
