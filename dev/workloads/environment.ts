import { join } from 'node:path'

/** What a pod of the story is told through its environment; the volume is mounted as a folder. */
export interface WorkloadEnvironment {
  readonly credentialBundle: string
  readonly trustBundle: string
  readonly trustDomain: string
  readonly gateways: readonly string[]
}

/** The value of a variable that the pod's spec sets. Throws when it is missing: nothing is guessed. */
export function setting(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`environment variable ${name}: required`)
  return value
}

export function workloadEnvironment(): WorkloadEnvironment {
  const folder = setting('COUNTERSIGN_VOLUME_IDENTITY')
  return {
    credentialBundle: join(folder, 'credential-bundle.pem'),
    trustBundle: join(folder, 'trust-bundle.pem'),
    trustDomain: setting('TRUST_DOMAIN'),
    gateways: [setting('GATEWAY_SPIFFE_ID')],
  }
}
