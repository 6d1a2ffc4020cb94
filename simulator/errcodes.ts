import { randomRid } from './random.js'

/** What WeChat says with an errcode; `{ip}` is the caller's address. Source: WeChat's table of global return codes. */
const errmsgs: Readonly<Record<number, string>> = {
  [-1]: 'system error',
  40001: 'invalid credential, access_token is invalid or not latest',
  40002: 'invalid grant_type',
  40013: 'invalid appid',
  40014: 'invalid access_token',
  40097: 'invalid args',
  40125: 'invalid appsecret',
  40164: 'invalid ip {ip} ipv6 {ipv6}, not in whitelist',
  40226: 'high risk user, code is blocked',
  40243: 'appsecret is frozen',
  41001: 'access_token missing',
  41002: 'appid missing',
  41004: 'appsecret missing',
  42001: 'access_token expired',
  43001: 'require GET method',
  43002: 'require POST method',
  45009: 'reach max api daily quota limit',
  45011: 'api minute-quota reach limit, must slower, retry next minute',
  48001: 'api unauthorized',
  48004: 'api forbidden for irregularities',
  48006: 'forbid to clear quota because of reaching the limit',
  50004: 'forbidden to use token interface',
  50007: 'account frozen',
  61004: 'access clientip is not registered requestIP: {ip}',
  61024: 'appid is a component appid, get component token instead',
  89501: 'this ip awaits confirmation by an administrator',
  89503: 'this ip call needs confirmation by an administrator',
  89506: 'this ip was refused by an administrator, retry after 24 hours',
  89507: 'this ip was refused by an administrator, retry after 1 hour',
}

/** The address without the IPv6 wrapping that a dual-stack socket puts round an IPv4 one. */
export const plainIp = (address: string): string => address.replace(/^::ffff:/, '')

/** The `errmsg` of an errcode as WeChat words it, with a request id at its end. */
export function errmsgOf(errcode: number, callerIp: string, errmsg = errmsgs[errcode] ?? 'error'): string {
  const ip = plainIp(callerIp)
  const ipv6 = ip.includes(':') ? ip : `::ffff:${ip}`
  const said = errmsg.replace('{ip}', ip).replace('{ipv6}', ipv6)
  return said.includes('rid: ') ? said : `${said} rid: ${randomRid()}`
}
