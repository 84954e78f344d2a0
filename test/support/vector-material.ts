import 'reflect-metadata'
import { constants, generateKeyPairSync, sign, webcrypto, type KeyObject } from 'node:crypto'
import {
  BasicConstraintsExtension,
  PublicKey,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type Extension,
  type JsonGeneralNames,
} from '@peculiar/x509'

export const keyTypes = [
  'RSA2048',
  'RSA3072',
  'RSA4096',
  'ECDSAP224',
  'ECDSAP256',
  'ECDSAP384',
  'ECDSAP521',
  'SECP256K1',
  'ED25519',
] as const
export type KeyName = (typeof keyTypes)[number]

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const curves: Readonly<Partial<Record<KeyName, string>>> = {
  ECDSAP224: 'secp224r1',
  ECDSAP256: 'prime256v1',
  ECDSAP384: 'secp384r1',
  ECDSAP521: 'secp521r1',
  SECP256K1: 'secp256k1',
}

export function generateKey(name: KeyName): KeyPair {
  if (name === 'ED25519') return generateKeyPairSync('ed25519')
  const namedCurve = curves[name]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve })
  return generateKeyPairSync('rsa', { modulusLength: Number(name.slice(3)) })
}

function encode(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const hex = length.toString(16)
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | octets.length]), octets, content])
}

const sequence = (...parts: readonly Buffer[]): Buffer => encode(0x30, ...parts)
const set = (...parts: readonly Buffer[]): Buffer => encode(0x31, ...parts)
const oid = (hex: string): Buffer => encode(0x06, Buffer.from(hex, 'hex'))

/** SHA-256 with RSA (RFC 8017), ECDSA with SHA-256 (RFC 5758), Ed25519 (RFC 8410). */
function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'rsa') {
    return sequence(oid('2a864886f70d01010b'), encode(0x05))
  }
  if (key.asymmetricKeyType === 'ec') return sequence(oid('2a8648ce3d040302'))
  return sequence(oid('2b6570'))
}

function subject(commonName: string): Buffer {
  return sequence(set(sequence(oid('550403'), encode(0x0c, Buffer.from(commonName)))))
}

/** The extensionRequest attribute (RFC 2985 §5.4.2) with one DNS name. */
function namesAttribute(dnsName: string): Buffer {
  const names = sequence(encode(0x82, Buffer.from(dnsName)))
  const extension = sequence(oid('551d11'), encode(0x04, names))
  return sequence(oid('2a864886f70d01090e'), set(sequence(extension)))
}

export type RequestFlaw = 'trailing-byte' | 'truncated' | 'other-signer' | 'spki' | 'named' | 'long'

/** The DER of a PKCS #10 request: as kubelet writes it, with no name at all, or with a flaw. */
export function createRequest(key: KeyPair, flaw?: RequestFlaw): Buffer {
  const spki = key.publicKey.export({ type: 'spki', format: 'der' })
  if (flaw === 'spki') return spki
  const commonName = { named: 'admin', long: 'x'.repeat(11_000) }[flaw as string]
  const information = sequence(
    encode(0x02, Buffer.from([0])),
    commonName === undefined ? sequence() : subject(commonName),
    spki,
    encode(0xa0, ...(flaw === 'named' ? [namesAttribute('kubernetes.default.svc')] : [])),
  )
  const signer = flaw === 'other-signer' ? generateKey('ECDSAP256') : key
  const digest = key.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  const signature = sign(digest, information, signer.privateKey)
  const der = sequence(
    information,
    signatureAlgorithm(key.privateKey),
    encode(0x03, Buffer.from([0]), signature),
  )
  if (flaw === 'truncated') return der.subarray(0, -1)
  return flaw === 'trailing-byte' ? Buffer.concat([der, Buffer.from([0])]) : der
}

export type ProofFlaw = 'pkcs1' | 'other-uid' | 'other-key' | 'sha384' | 'trailing-byte'

/** A public key and the signature over the pod's UID, as kubelets before 1.36 wrote them. */
export function createProof(
  key: KeyPair,
  podUid: string,
  flaw?: ProofFlaw,
): { readonly spki: Buffer; readonly proof: Buffer } {
  const spki = key.publicKey.export({ type: 'spki', format: 'der' })
  const signer = flaw === 'other-key' ? generateKey('ECDSAP256') : key
  const isRsa = key.privateKey.asymmetricKeyType === 'rsa'
  const padding = flaw === 'pkcs1' ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING
  const digest = flaw === 'sha384' ? 'sha384' : 'sha256'
  const proof = sign(
    key.privateKey.asymmetricKeyType === 'ed25519' ? null : digest,
    Buffer.from(flaw === 'other-uid' ? `${podUid}x` : podUid),
    { key: signer.privateKey, ...(isRsa ? { padding } : {}) },
  )
  return { spki: flaw === 'trailing-byte' ? Buffer.concat([spki, Buffer.from([0])]) : spki, proof }
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

function formatPem(label: string, der: ArrayBuffer | Buffer): string {
  const lines =
    Buffer.from(der as Buffer)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

export interface LeafOptions {
  readonly notBefore: Date
  readonly notAfter: Date
  readonly spki: Buffer
  readonly dns?: readonly string[] | undefined
  /** No URI name at all when it is false. */
  readonly uri: boolean
  readonly ca: boolean
  readonly signer: 'root' | 'unknown'
}

/** A root, other certificates of no use, and whatever leaf is asked for, all PEM. */
export interface Material {
  readonly blocks: Readonly<Record<string, string>>
  issueLeaf(options: LeafOptions): Promise<string>
}

export async function createMaterial(): Promise<Material> {
  const generate = (): Promise<webcrypto.CryptoKeyPair> =>
    webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [rootKeys, otherKeys] = await Promise.all([generate(), generate()])
  const notBefore = new Date(Date.now() - 3600_000)
  const notAfter = new Date(Date.now() + 86_400_000)

  async function selfSign(
    name: string,
    keys: webcrypto.CryptoKeyPair,
    extensions: Extension[],
  ): Promise<string> {
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: [{ CN: [name] }],
      keys,
      signingAlgorithm: algorithm,
      notBefore,
      notAfter,
      extensions,
    })
    return formatPem('CERTIFICATE', certificate.rawData)
  }

  const authority = new BasicConstraintsExtension(true, undefined, true)
  const root = await selfSign('vectors', rootKeys, [authority])
  const withHeader = (pem: string): string =>
    pem.replace('-----BEGIN CERTIFICATE-----\n', '-----BEGIN CERTIFICATE-----\nnote: a\n\n')
  const endEntity = new BasicConstraintsExtension(false, undefined, true)
  const key = generateKey('ECDSAP256').privateKey.export({ type: 'pkcs8', format: 'der' })
  return {
    blocks: {
      root,
      'root-headers': withHeader(root),
      unrelated: await selfSign('unrelated', otherKeys, [authority]),
      'end-entity': await selfSign('end entity', otherKeys, [endEntity]),
      'no-constraints': await selfSign('no constraints', otherKeys, []),
      'private-key': formatPem('PRIVATE KEY', key),
      garbage: formatPem('CERTIFICATE', Buffer.from('no certificate')),
    },
    async issueLeaf(options) {
      const names: JsonGeneralNames = [
        ...(options.uri ? [{ type: 'url' as const, value: 'spiffe://vectors/ns/a/sa/b' }] : []),
        ...(options.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
      ]
      const certificate = await X509CertificateGenerator.create({
        issuer: 'CN=vectors',
        publicKey: new PublicKey(new Uint8Array(options.spki)),
        signingKey: (options.signer === 'root' ? rootKeys : otherKeys).privateKey,
        signingAlgorithm: algorithm,
        notBefore: options.notBefore,
        notAfter: options.notAfter,
        extensions: [
          new BasicConstraintsExtension(options.ca, undefined, true),
          ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names, true)] : []),
        ],
      })
      return formatPem('CERTIFICATE', certificate.rawData)
    },
  }
}

/** The PEM of a chain or bundle: names of blocks, or text that stands between them. */
export function joinBlocks(
  blocks: Readonly<Record<string, string>>,
  wanted: readonly (string | { readonly text: string })[],
): string {
  return wanted
    .map((block) => {
      if (typeof block !== 'string') return `${block.text}\n`
      const pem = blocks[block]
      if (pem === undefined) throw new Error(`no block ${block}`)
      return pem
    })
    .join('')
}
