import type { TokenServer } from './token-server.js'

/** Something that gives an application its token: TokenThread, or what else one might use. */
export interface Subject {
  readonly name: string
  /** Its token server, with tokens that live as told and token calls that take `tokenCall` ms. */
  serve(lives: 'short' | 'real', tokenCall: number): Promise<TokenServer>
  /** Nothing is fetched yet, unless it does that by itself. */
  start(url: string): Using | Promise<Using>
}

/** A subject, used as its documentation says. */
export interface Using {
  /** The first token, as soon as there is one: what an application does when it starts. */
  first(): Promise<string>
  /** The token that a request made now would carry. */
  read(): string | Promise<string>
  /** A request of the API by the subject's own means, healing included where it has any; true: it was answered. */
  request(): Promise<boolean>
  /** A thousand refusals at once, without the requests; where it has such a notion. */
  readonly reject?: (refused: string) => Promise<unknown>
  close(): unknown
}

/** With short lives a token is to be replaced a second after it came, whatever margin the subject keeps. */
export const PERIOD = 1_000
