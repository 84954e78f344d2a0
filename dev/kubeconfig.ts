import { writeFile } from 'node:fs/promises'
import type { Credential } from './certificate-authority.ts'

/** Writes a kubeconfig that holds its credential inline, for its owner's eyes only. JSON is YAML too. */
export async function writeKubeconfig(options: {
  readonly path: string
  readonly server: string
  readonly caPem: string
  readonly credential: Credential
}): Promise<string> {
  const { path, server, caPem, credential } = options
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const name = 'countersign-dev'
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(caPem) } }],
    users: [
      {
        name,
        user: {
          'client-certificate-data': base64(credential.certificatePem),
          'client-key-data': base64(credential.privateKeyPem),
        },
      },
    ],
  }
  await writeFile(path, `${JSON.stringify(kubeconfig, null, 2)}\n`, { mode: 0o600 })
  return path
}
