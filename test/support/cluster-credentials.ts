import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type JsonGeneralNames,
} from '@peculiar/x509'
import { stringify } from 'yaml'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const lifetimeMilliseconds = 24 * 3600 * 1000
/** A cluster that starts on a machine with a slightly slow clock must not see tomorrow's certificate. */
const backdateMilliseconds = 60_000

/** A certificate and its private key (PKCS#8), both PEM. */
export interface Credential {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

/** A throw-away certification authority for a cluster's own TLS, one day long. */
export interface Authority extends Credential {
  issueServer(names: JsonGeneralNames): Promise<Credential>
  /** Of a kubelet, as the controller manager signs it; unless told, for servers and for a day. */
  issueNode(node: {
    readonly name: string
    readonly names: JsonGeneralNames
    readonly usage?: 'server' | 'client'
    readonly notAfter?: Date
  }): Promise<Credential>
  /** Kubernetes reads the user from CN and the groups from O. */
  issueClient(user: { name: string; groups: readonly string[] }): Promise<Credential>
}

function lifetime(): { notBefore: Date; notAfter: Date } {
  const notBefore = new Date(Date.now() - backdateMilliseconds)
  return { notBefore, notAfter: new Date(notBefore.getTime() + lifetimeMilliseconds) }
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n')
}

export async function createAuthority(commonName: string): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const root = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
    ...lifetime(),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })

  async function issue(options: {
    readonly subject: Record<string, string[]>[]
    readonly usage: ExtendedKeyUsage
    readonly names: JsonGeneralNames
    readonly notAfter?: Date
  }): Promise<Credential> {
    const leaf = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await X509CertificateGenerator.create({
      subject: options.subject,
      issuer: root.subjectName,
      publicKey: leaf.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      ...lifetime(),
      ...(options.notAfter === undefined ? {} : { notAfter: options.notAfter }),
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([options.usage]),
        ...(options.names.length > 0 ? [new SubjectAlternativeNameExtension(options.names)] : []),
      ],
    })
    return {
      certificatePem: `${certificate.toString('pem')}\n`,
      privateKeyPem: await privateKeyPem(leaf.privateKey),
    }
  }

  return {
    certificatePem: `${root.toString('pem')}\n`,
    privateKeyPem: await privateKeyPem(keys.privateKey),
    issueServer: (names) =>
      issue({ subject: [{ CN: ['server'] }], usage: ExtendedKeyUsage.serverAuth, names }),
    issueNode: ({ name, names, usage = 'server', notAfter }) =>
      issue({
        subject: [{ O: ['system:nodes'] }, { CN: [`system:node:${name}`] }],
        usage: ExtendedKeyUsage[`${usage}Auth`],
        names,
        ...(notAfter === undefined ? {} : { notAfter }),
      }),
    issueClient: (user) =>
      issue({
        // One RDN per group, as values and not as text: a name may hold a comma or an equals sign.
        subject: [{ CN: [user.name] }, ...user.groups.map((group) => ({ O: [group] }))],
        usage: ExtendedKeyUsage.clientAuth,
        names: [],
      }),
  }
}

/** Writes a kubeconfig that holds its credential inline, readable by its owner only. */
export async function writeKubeconfig(options: {
  readonly path: string
  readonly server: string
  readonly caPem: string
  readonly credential: Credential
}): Promise<string> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server: options.server,
          'certificate-authority-data': base64(options.caPem),
        },
      },
    ],
    users: [
      {
        name: 'test',
        user: {
          'client-certificate-data': base64(options.credential.certificatePem),
          'client-key-data': base64(options.credential.privateKeyPem),
        },
      },
    ],
  }
  await writeFile(options.path, stringify(kubeconfig), { mode: 0o600 })
  return options.path
}
