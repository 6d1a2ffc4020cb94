/** A store can't be used until an operator mends something: a package is missing, a key is wrong, a table is not ours. */
export class StoreOperatorError extends Error {
  override readonly name = 'StoreOperatorError'
}
