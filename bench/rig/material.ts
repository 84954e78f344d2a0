/** Who meets in a bench: one authority, an upstream, a gateway and callers, each with a certificate of the product's own issuer. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestAuthority } from '../../test/support/test-authority.ts'

export interface BenchMaterial {
  /** Removed at the end. */
  readonly folder: string
  readonly trustDomain: string
  readonly bundlePem: string
  readonly upstreamPem: string
  readonly upstreamSpiffeId: string
  readonly gatewayPem: string
  /** Callers of different service accounts. */
  readonly callerPems: readonly string[]
  readonly callerSpiffeIds: readonly string[]
}

/** Runs `work` with a folder of its own, which is gone afterwards. */
export async function withMaterial(
  callers: number,
  work: (material: BenchMaterial) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  try {
    const authority = createTestAuthority()
    const tenant = 'acme'
    const upstream = authority.issue({ serviceAccount: 'tools', role: 'tool-server', tenant })
    const agents = Array.from({ length: callers }, (_, index) =>
      authority.issue({
        serviceAccount: `agent-${index}`,
        podUid: crypto.randomUUID(),
        role: 'agent',
        toolScopes: 'tools:search,tools:tool_*,tools:drop_*',
        tenant,
      }),
    )
    await work({
      folder,
      trustDomain: authority.trustDomain,
      bundlePem: authority.bundlePem,
      upstreamPem: upstream.credentialPem,
      upstreamSpiffeId: upstream.identity.spiffeId.uri,
      gatewayPem: authority.issue({ serviceAccount: 'gateway', role: 'tool-broker', tenant })
        .credentialPem,
      callerPems: agents.map(({ credentialPem }) => credentialPem),
      callerSpiffeIds: agents.map(({ identity }) => identity.spiffeId.uri),
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
