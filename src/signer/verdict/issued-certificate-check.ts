import { quoted } from '../../errors.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { ifFound, proved, refused, type Check, type CheckResult } from './check.ts'
import { sameEntries } from './workload-checks.ts'

/**
 * The IssuedCertificate that an agent asks for declares it, as a pod declares what it asks for by itself: the agent carries a wish of others, and
 * has none of its own.
 */
export const issuedCertificateDeclared: Check = {
  name: 'issued-certificate-declared',
  run: ({ claims, evidence, profile }) => {
    const { metadata, spec, stated } = claims.asked
    const { issued } = stated ?? {}
    if (issued === undefined) return { findings: [] }
    const names = { namespace: metadata.namespace, serviceAccount: spec.serviceAccount.name }
    const { uri } = workloadSpiffeId({ trustDomain: profile.trustDomain, ...names })
    const asked = spec.unverifiedUserAnnotations
    const undeclared = (proves: string): CheckResult => ({
      findings: [
        refused('RequestNotDeclared', {
          field: 'issuedCertificate',
          asked: `${uri} with ${told(asked)} for ${quoted(issued.name, 253)} with UID ${quoted(issued.uid, 128)}`,
          proved: proves,
          change: 'let the agent ask anew: it asks for what the IssuedCertificate says',
        }),
      ],
    })
    const found = evidence.issued ?? { state: 'unknown', why: 'it was not read' }
    if (found.state === 'absent') return undeclared('no such IssuedCertificate')
    return ifFound(found, 'issuedCertificate', ({ uid, terminating, hosts, annotations }) => {
      if (uid !== issued.uid) return undeclared(`the one of that name has UID ${quoted(uid, 128)}`)
      if (terminating) return undeclared('it is being deleted')
      if (hosts.length !== 1 || hosts[0] !== uri)
        return undeclared(`its hosts are ${quoted(hosts.join(', '), 640)}`)
      if (!sameEntries(annotations, asked)) return undeclared(`it asks for ${told(annotations)}`)
      return { findings: [proved('issuedCertificate', uid, 'live IssuedCertificate')] }
    })
  },
}

function told(annotations: object): string {
  return quoted(JSON.stringify(annotations), 640)
}
