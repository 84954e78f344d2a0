/** The tool server as the last part of its quick start has it: docs/QUICKSTART-TOOL-SERVER.md has the middle of this word by word. */
import { identityExtensionOid, system, trustDomain } from '../stage/cast.ts'
import { requireCountersign } from '../../../src/toolserver/require-countersign.ts'
import { serveGithub } from './serve-github.ts'

const options = {
  credentialBundle: '/var/run/countersign/credential-bundle.pem',
  trustBundle: '/var/run/countersign/trust-bundle.pem',
  trustDomain,
  gateways: [`spiffe://${trustDomain}/ns/${system}/sa/countersign-gateway`],
  server: 'github',
  identityExtensionOid,
}

const countersign = await requireCountersign({
  ...options, // as before
  revocations: true, // the cluster's
})

serveGithub(countersign)
