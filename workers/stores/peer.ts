import { createRequire } from 'node:module'
import { messageOf } from '../../src/errors.js'
import { StoreOperatorError } from './store-error.js'

/**
 * Loads what only one kind of store needs, when that kind is used. By `require`: `import` reads files through libuv's
 * pool, on which a saturated application would keep a restarted thread waiting.
 */
export function peer<T>(name: string, install: string, isIt: (module: unknown) => module is T): T {
  let module: unknown
  try {
    module = requireHere()(name)
  } catch (error) {
    if (isNotFound(error))
      throw new StoreOperatorError(`the store needs the package ${name}: npm install ${install}`)
    throw new StoreOperatorError(`the package ${name} does not load: ${messageOf(error)}`)
  }
  if (!isIt(module))
    throw new StoreOperatorError(
      `the package ${name} is of a version that does not fit: npm install ${install}`,
    )
  return module
}

/** In a bundle of CommonJS there is no `import.meta.url`: the thread's own file is then the place to look from. */
function requireHere({ url }: { readonly url?: string } = import.meta): NodeJS.Require {
  return createRequire(url ?? process.argv[1] ?? process.execPath)
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
}
