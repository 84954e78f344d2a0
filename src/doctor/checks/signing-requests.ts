import { cut } from '../../errors.ts'
import { ok, plural, problem, unknown, warning, withPartial, type Check } from '../check.ts'
import type { SigningRequestFact } from '../facts.ts'
import { isInstalled } from '../own-pods.ts'

/** Longer than an approver and a signer that run need for what they can prove. */
const unhurriedSeconds = 120

/** What became of the CertificateSigningRequests for our signer: that they wait tells nobody but who has asked. */
export const signingRequests: Check = {
  name: 'signing-requests',
  judge: (facts) => {
    const { signer, signingRequests: found } = facts
    if (!isInstalled(facts, 'signer')) return ok('no signer is installed here')
    if (!signer.known) return unknown(signer)
    const answered = signer.value.certificateSigningRequests
    if (answered === undefined && (!found.known || found.value.length === 0)) {
      return ok('the signer answers none')
    }
    if (!found.known) return unknown(found)
    const waiting = found.value.filter(({ seconds }) => seconds > unhurriedSeconds)
    if (answered === undefined) {
      return warning(
        `${plural(found.value.length, 'request')} of a kind that the signer does not answer`,
        {
          evidence: found.value.map(shown),
          hint: 'set certificateSigningRequests.enabled=true in the chart: docs/REACH.md',
        },
      )
    }
    const unapproved = waiting.filter(({ approved }) => !approved)
    if (!answered.approve && unapproved.length > 0) {
      return problem(`${plural(unapproved.length, 'request')} that nobody approves`, {
        evidence: unapproved.map(shown),
        hint: 'the signer is not to approve: set certificateSigningRequests.approver.enabled=true in the chart, or see why the approver does not; countersign evaluate csr/<name> says what it would be told',
      })
    }
    if (waiting.length > 0) {
      return warning(`${plural(waiting.length, 'request')} without an answer`, {
        evidence: waiting.map(shown),
        hint: 'countersign evaluate csr/<name> says what each waits for',
      })
    }
    return withPartial(ok('no request waits for long'), [found])
  },
}

function shown({ name, requester, approved, seconds }: SigningRequestFact): string {
  const state = approved ? 'approved and not signed' : 'not approved'
  return `${cut(name, 100)}: ${state} for ${plural(Math.floor(seconds / 60), 'minute')}, asked by ${cut(requester, 200)}`
}
