import { createHash } from 'node:crypto'

/** Characters of a part that are kept as they are: SQL databases limit the length of a key. */
const LONGEST_PART = 100

/** A key of printable ASCII from parts of any kind; one that is too long is replaced by its digest. */
export function accountKey(...parts: readonly string[]): string {
  return parts.map(keyPart).join('/')
}

function keyPart(part: string): string {
  // An unpaired surrogate, which encodeURIComponent refuses, becomes U+FFFD.
  const encoded = encodeURIComponent(Buffer.from(part).toString())
  return encoded.length <= LONGEST_PART
    ? encoded
    : `sha256:${createHash('sha256').update(part).digest('hex')}`
}
