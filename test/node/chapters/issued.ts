import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { verifyEvery } from '../../support/every-certificate.ts'
import type { Node } from '../rig/node.ts'

const group = '/apis/certificates.k8s.io/v1'

interface Requests {
  readonly items: readonly { readonly status?: { readonly certificateChain?: string } }[]
}

interface Bundles {
  readonly items: readonly { readonly spec: { readonly trustBundle: string } }[]
}

/** What kubelets were given on a node, as others verify it: OpenSSL, and Go. */
export interface IssuedThere {
  /** Requests go with their pods, or when they are a quarter of an hour old: what is there now. */
  look(): Promise<void>
  tell(t: TestContext): Promise<void>
}

export function followIssued(node: Node): IssuedThere {
  const chains = new Set<string>()
  const anchors = new Set<string>()
  const look = async (): Promise<void> => {
    const requests = await node.get<Requests>(`${group}/podcertificaterequests`)
    for (const { status } of requests.items) chains.add(status?.certificateChain ?? '')
    const bundles = await node.get<Bundles>(`${group}/clustertrustbundles`)
    for (const { spec } of bundles.items) anchors.add(spec.trustBundle)
    chains.delete('')
  }
  return {
    look,
    async tell(t) {
      await look()
      await t.test('OpenSSL and Go take every certificate that kubelets were given', async () => {
        const verified = await verifyEvery(chains, anchors)
        assert.ok(verified > 0)
        assert.equal(verified, chains.size)
        t.diagnostic(`${verified} certificates`)
      })
    },
  }
}
