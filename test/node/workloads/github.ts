/** A tool server in a pod, written as its author would: the MCP SDK behind our library. */
import { identityExtensionOid, system, trustDomain } from '../stage/cast.ts'
import { requireCountersign } from '../../../src/toolserver/require-countersign.ts'
import { serveGithub } from './serve-github.ts'

const volume = '/var/run/countersign'

serveGithub(
  await requireCountersign({
    credentialBundle: `${volume}/credential-bundle.pem`,
    trustBundle: `${volume}/trust-bundle.pem`,
    trustDomain,
    gateways: [`spiffe://${trustDomain}/ns/${system}/sa/countersign-gateway`],
    server: 'github',
    identityExtensionOid,
  }),
)
