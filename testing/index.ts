/** The public face of `token-thread/testing`: for unit tests of programs that use token-thread, and of stores. */
export { FakeTokens, type FakeTokensOptions, fakeTokens } from './fake-tokens.js'
export { type ContractCase, storeContract } from './store-contract.js'
