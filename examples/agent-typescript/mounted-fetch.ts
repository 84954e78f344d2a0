/** A `fetch` that shows the mounted certificate, made of undici alone: new connections have what kubelet wrote last. */
import { readFileSync } from 'node:fs'
import { Agent, buildConnector, fetch } from 'undici'

export interface Mounted {
  /** Where both files are mounted. */
  readonly folder: string
  /** The DNS name in the gateway's certificate. */
  readonly serverName: string
}

export function mountedFetch({ folder, serverName }: Mounted): typeof globalThis.fetch {
  // Both files are read for each new connection, and no session is resumed: one would show no certificate.
  const connect: buildConnector.connector = (target, callback) => {
    try {
      const pem = readFileSync(`${folder}/credential-bundle.pem`, 'utf8')
      const ca = readFileSync(`${folder}/trust-bundle.pem`, 'utf8')
      const tls = { cert: pem, key: pem, ca, minVersion: 'TLSv1.3', maxCachedSessions: 0 } as const
      buildConnector({ ...tls, servername: serverName })(target, callback)
    } catch (error) {
      callback(error as Error, null)
    }
  }
  const dispatcher = new Agent({ connect })
  const named = (url: string, init: Parameters<typeof fetch>[1]): ReturnType<typeof fetch> =>
    fetch(url, { ...init, dispatcher })
  // The same `fetch` as Node's own, whose types know no dispatcher.
  return named as unknown as typeof globalThis.fetch
}
