import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeCertificateRequest } from '../../src/pki/certificate-request-write.ts'
import { formatPem } from '../../src/pki/pem.ts'

/** What a node asks for, in words. */
export interface AskedNames {
  readonly commonName?: string
  readonly organizations?: readonly string[]
  readonly dnsNames?: readonly string[]
  /** Dotted, or sixteen octets in hex. */
  readonly addresses?: readonly string[]
}

export const nodeName = 'node-b'

export function newNodeKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** `spec.request` of a CertificateSigningRequest of node-b, as a kubelet writes it. */
export function requestOf(asked: AskedNames = {}, key: KeyObject = newNodeKey()): string {
  const { commonName = `system:node:${nodeName}`, organizations = ['system:nodes'] } = asked
  const { dnsNames = [], addresses = [] } = asked
  const ipAddresses = addresses.map((each) =>
    each.includes('.') ? Buffer.from(each.split('.').map(Number)) : Buffer.from(each, 'hex'),
  )
  const names = { commonName, organizations, dnsNames, ipAddresses }
  const pem = formatPem('CERTIFICATE REQUEST', writeCertificateRequest(key, names))
  return Buffer.from(pem).toString('base64')
}
