import { hash, X509Certificate } from 'node:crypto'

/** The first certificate of a chain that was read back, to tell which intent it answers; undefined for what is none. */
export function publishedLeaf(chainPem: string):
  | {
      readonly serialNumber: string
      readonly certificateSha256: string
      readonly chainSha256: string
    }
  | undefined {
  try {
    const leaf = new X509Certificate(chainPem)
    return {
      serialNumber: leaf.serialNumber.toLowerCase(),
      certificateSha256: hash('sha256', leaf.raw, 'hex'),
      chainSha256: hash('sha256', chainPem, 'hex'),
    }
  } catch {
    return undefined
  }
}
