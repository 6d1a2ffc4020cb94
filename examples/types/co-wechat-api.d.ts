/** co-wechat-api has no types of its own: what is used of it here. */
declare module 'co-wechat-api' {
  type Maybe<T> = T | Promise<T>

  class API {
    constructor(
      appid: string,
      appsecret: string,
      getToken?: () => Maybe<API.StoredToken | null | undefined>,
      saveToken?: (token: API.StoredToken | null) => Maybe<void>,
      /** True: it takes what `getToken` gives, and never fetches a token by itself. */
      tokenFromCustom?: boolean,
    )
    /** `https://api.weixin.qq.com/cgi-bin/`, with the slash */
    prefix: string
    /** Rejects with a `WeChatAPIError` that has the errcode as its `code`. */
    request(url: string, opts?: API.RequestOptions): Promise<unknown>
    ensureAccessToken(): Promise<{ accessToken: string }>
    getIp(): Promise<unknown>
  }

  namespace API {
    /** A token as its hooks hand it over. */
    interface StoredToken {
      accessToken: string
      /** ms since the epoch */
      expireTime: number
    }

    interface RequestOptions {
      method?: string
      headers?: Record<string, string>
      /** A string, a Buffer or a stream. */
      data?: unknown
      /** A stream. */
      stream?: unknown
    }
  }

  export = API
}
