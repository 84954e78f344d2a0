import type { ApiClient } from '../../kubernetes/api-client.ts'
import { requestedUsages } from '../../pki/certificate-request.ts'
import { verifyServing } from '../../pki/node-serving.ts'
import { addressOctets, type RequestedNames } from '../../pki/requested-names.ts'
import type { KeeperOptions } from '../../renewal/keep-credential.ts'
import { readAnchorFile, readAnchors, readServingAnchors } from '../../renewal/published-anchors.ts'
import { verifyCredential } from '../../renewal/verify-credential.ts'
import type { AgentConfig, KubeletServingConfig } from './agent-configuration.ts'

/** What is asked for, and what is taken. */
export interface Kept extends Pick<KeeperOptions, 'verify' | 'renewPercent'> {
  readonly signerName: string
  readonly usages: readonly string[]
  readonly names?: RequestedNames | undefined
  anchors(client: () => ApiClient, signal: AbortSignal): Promise<string>
}

export function keptOf(config: AgentConfig, now: () => number): Kept {
  const { kubeletServing, trustDomain } = config
  if (kubeletServing !== undefined) return servingOf(config, kubeletServing, now)
  if (trustDomain === undefined) throw new TypeError('no trust domain')
  const { signerName, trustBundle: file, identityExtensionOid } = config
  return {
    signerName,
    usages: requestedUsages,
    renewPercent: 50,
    async anchors(client, signal) {
      const bundle = await (file === undefined
        ? readAnchors({ client: client(), signerName, trustDomain, signal })
        : readAnchorFile(file, trustDomain))
      return bundle.pem
    },
    verify: (credentialBundle, trustBundle) => {
      const checks = { trustDomain, trustBundle, identityExtensionOid, now: now() }
      return verifyCredential(credentialBundle, checks)
    },
  }
}

function servingOf(
  { trustBundle: file = '' }: AgentConfig,
  { node: nodeName, dnsNames, addresses }: KubeletServingConfig,
  now: () => number,
): Kept {
  return {
    signerName: 'kubernetes.io/kubelet-serving',
    usages: ['digital signature', 'server auth'],
    names: {
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      dnsNames,
      ipAddresses: addresses.map(addressOctets),
    },
    renewPercent: 80,
    anchors: () => readServingAnchors(file),
    verify: (credentialBundle, trustBundle) => {
      const names = { nodeName, dnsNames, addresses }
      return verifyServing(credentialBundle, { names, trustBundle, now: now() })
    },
  }
}
