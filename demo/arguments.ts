import { parseArgs } from 'node:util'

export interface DemoOptions {
  readonly seconds: number
  /** The real WeChat, with the account of the environment. */
  readonly live: boolean
}

export const USAGE = `npm run demo -- [--seconds 20] [--live]

  --seconds <n>  how long it runs, 8 to 3600 (default: 20)
  --live         the real WeChat: takes WECHAT_APPID and WECHAT_APPSECRET, makes one token call and one API call`

/** @throws Error with a message for the terminal */
export function readArguments(args: readonly string[]): DemoOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '20' },
      live: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const seconds = Number(values.seconds)
  if (!(seconds >= 8 && seconds <= 3600)) throw new Error(`--seconds is ${values.seconds}: give 8 to 3600`)
  return { seconds, live: values.live }
}
