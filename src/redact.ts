/** Query parameters whose value is a secret: of WeChat, WeCom, Feishu, DingTalk and OAuth 2.0. */
const SECRET_PARAMETERS = new Set([
  ...[
    'access_token',
    'refresh_token',
    'component_access_token',
    'authorizer_access_token',
    'suite_access_token',
  ],
  ...['accesstoken', 'auth_code', 'session_key', 'suite_ticket'],
  ...['provider_access_token', 'tenant_access_token', 'app_access_token', 'id_token', 'token'],
  ...[
    'secret',
    'appsecret',
    'app_secret',
    'corpsecret',
    'suite_secret',
    'client_secret',
    'component_appsecret',
  ],
  ...['code', 'js_code', 'ticket', 'jsapi_ticket', 'signature', 'password'],
])

/**
 * The URL with the values of secret query parameters (`access_token`, `secret` and the like) replaced by `***`; all else
 * stays as it is, byte for byte. Relative URLs and bare paths are fine, too.
 */
export function redactUrl(url: string | URL): string {
  const text = typeof url === 'string' ? url : url.href
  const begin = text.search(/[?#]/)
  return begin === -1 ? text : text.slice(0, begin) + redactQuery(text.slice(begin))
}

function redactQuery(query: string): string {
  // The fragment goes with the last parameter: where it begins depends on who reads it.
  return query.replace(
    /([?&;#])([^=&;#]*)=([^&;#]*)/g,
    (whole, joint: string, name: string, value: string) =>
      value !== '' && SECRET_PARAMETERS.has(plainName(name)) ? `${joint}${name}=***` : whole,
  )
}

function plainName(name: string): string {
  try {
    return decodeURIComponent(name).replaceAll(/[\s+]/g, '').toLowerCase()
  } catch {
    return name.replaceAll(/[\s+]/g, '').toLowerCase()
  }
}

/**
 * For OpenTelemetry's undici instrumentation: what its spans say of a URL, without secrets.
 *
 *     new UndiciInstrumentation({ startSpanHook: redactedUrlAttributes })
 */
export function redactedUrlAttributes(request: { readonly origin: string | URL; readonly path: string }): {
  'url.full': string
  'url.query': string
} {
  const url = new URL(redactUrl(request.path), request.origin)
  return { 'url.full': url.href, 'url.query': url.search }
}
