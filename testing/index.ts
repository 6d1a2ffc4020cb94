/** The public face of `token-thread/testing`: tokens for unit tests of programs that use token-thread. */
export { FakeTokens, type FakeTokensOptions, fakeTokens } from './fake-tokens.js'
