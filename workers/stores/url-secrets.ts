/** What is shorter is a switch (`ssl=true`) or a number: taken out of every message it would garble them. */
const SHORTEST = 8

/**
 * What of a server's URL no message may show: its passwords, and the values of its parameters, in which a private key
 * may stand (`?ssl={"key":"…"}`). Of what is no URL: nothing.
 */
export function secretsOfUrl(url: string): readonly string[] {
  if (!URL.canParse(url)) return []
  const { password, searchParams } = new URL(url)
  const values = [...searchParams].flatMap(([name, value]) =>
    [value, ...textsIn(value)].filter((text) => text.length >= SHORTEST || /pass|secret|key/i.test(name)),
  )
  return [password, decoded(password), ...values].filter((secret) => secret !== '')
}

/** All the texts in a value that is JSON. */
function textsIn(value: string): readonly string[] {
  const texts: string[] = []
  try {
    JSON.parse(value, (_name, text: unknown) => {
      if (typeof text === 'string') texts.push(text)
    })
  } catch {
    // It is one text.
  }
  return texts
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
