/** Where the gateway is, and the two ways to show it the mounted certificate. */
import { env } from 'node:process'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { mountedFetch } from './mounted-fetch.ts'

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

const folder = env['IDENTITY'] ?? '/var/run/countersign'
export const gateway: URL = new URL(
  env['GATEWAY'] ?? 'https://countersign-gateway.countersign-system.svc/mcp',
)
const spiffeId =
  env['GATEWAY_ID'] ?? 'spiffe://agents.example/ns/countersign-system/sa/countersign-gateway'
/** The DNS name in the gateway's certificate, where it is reached by another one. */
const serverName = env['SERVER_NAME'] ?? gateway.hostname

const mtls = await openCountersignFetch({
  credentialBundle: `${folder}/credential-bundle.pem`,
  trustBundle: `${folder}/trust-bundle.pem`,
  server: spiffeId,
})

export const ways: Readonly<Record<'countersign' | 'undici', Fetch>> = {
  /** With `countersign-agent`, which knows the gateway by its SPIFFE ID. */
  countersign: mtls.fetch,
  /** Without: the gateway is known by its DNS name. */
  undici: mountedFetch({ folder, serverName }),
}
