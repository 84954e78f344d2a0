import { cut } from '../../errors.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import { chainOf, clusterTime, describeAnchor, publishedAnchors, verifyChain } from '../anchors.ts'
import { ok, plural, problem, unknown, warning, type Check, type Judgement } from '../check.ts'
import type { Facts } from '../facts.ts'
import { isInstalled } from '../own-pods.ts'

const lifetimeSecondsDefault = 3600

/** A CA that has less than a tenth of its life left is about to be forgotten. */
const lifeLeftMin = 0.1

const rotate =
  'make a new CA and let the signer publish it before the old one ends (docs/OPERATING.md)'

export const authority: Check = {
  name: 'authority',
  judge: (facts) => {
    const { trustBundle, signer } = facts
    if (!trustBundle.known) return unknown(trustBundle)
    const published = publishedAnchors(facts)
    if (published === undefined) {
      return warning('not checked: no CA is published', {
        evidence: [],
        hint: 'see trust-bundle: the CA is known by what is published of it',
      })
    }
    const now = clusterTime(facts)
    const { anchors } = published.bundle
    const evidence = anchors.map(describeAnchor)
    const newest = anchors.toSorted((left, right) => +right.notAfter - +left.notAfter)[0]
    const left = newest === undefined ? 0 : (+newest.notAfter - now) / 1000
    const lifetime = signer.known ? signer.value.profile.lifetimeSecondsMax : lifetimeSecondsDefault
    if (left <= 0) {
      return problem('every CA has ended: no certificate is valid', { evidence, hint: rotate })
    }
    if (left < lifetime) {
      return problem('the CA ends before a new certificate would', { evidence, hint: rotate })
    }
    if (newest !== undefined && left < lifeLeftMin * lifeOf(newest)) {
      const days = Math.floor(left / 86_400)
      return warning(`the CA ends in ${plural(days, 'day')}`, { evidence, hint: rotate })
    }
    return ok('the CA lives on', evidence)
  },
}

function lifeOf({ notBefore, notAfter }: CaCertificate): number {
  return (+notAfter - +notBefore) / 1000
}

const chainsMax = 10

export const trustBundle: Check = {
  name: 'trust-bundle',
  judge: (facts) => {
    const { trustBundle: fact, issued, signerName } = facts
    if (!fact.known) return unknown(fact)
    if (fact.value === undefined) {
      return problem(`no ClusterTrustBundle of ${signerName} is published`, {
        evidence: [`want=a ClusterTrustBundle with signerName ${signerName} got=none`],
        hint: 'the signer publishes it when it starts: see signer and rights (attest, and clustertrustbundles)',
      })
    }
    const published = publishedAnchors(facts)
    if (published === undefined) {
      return problem('the ClusterTrustBundle holds no anchor of this trust domain', {
        evidence: [`${fact.value.name} cannot be used`],
        hint: 'somebody else writes it, or the trust domain was changed: nobody can verify anybody',
      })
    }
    const { bundle, ignored } = published
    const evidence = [`${fact.value.name} holds ${plural(bundle.anchors.length, 'anchor')}`]
    if (ignored > 0) evidence.push(`${plural(ignored, 'block')} in it that readers leave out`)
    if (!issued.known) {
      evidence.push(`not compared with what was signed: ${issued.why}`)
      return ok('the trust bundle is published', evidence)
    }
    return compare(facts, published.bundle, evidence)
  },
}

/** What was signed lately has to lead to what is published. */
function compare(
  facts: Facts,
  bundle: Parameters<typeof verifyChain>[1],
  evidence: readonly string[],
): Judgement {
  const { issued } = facts
  const recent = issued.known ? issued.value.slice(0, chainsMax) : []
  if (recent.length === 0) {
    const note = 'nothing was issued in the last quarter of an hour, so nothing was compared'
    return ok('the trust bundle is published', [...evidence, note])
  }
  const failures = recent.flatMap(({ namespace, name, chain }) => {
    const why = whyUntrusted(() => verifyChain(chainOf(chain), bundle, clusterTime(facts)))
    return why === undefined ? [] : [`${namespace}/${name}: ${why}`]
  })
  if (failures.length === 0) {
    const compared = `${plural(recent.length, 'certificate')} issued lately lead to it`
    return ok('the trust bundle is what certificates are signed with', [...evidence, compared])
  }
  return problem('certificates are signed with a CA that is not published', {
    evidence: [...evidence, ...failures],
    hint: 'two signers answer to one name, or somebody else writes the bundle: keep one of them, and restart the signer',
  })
}

function whyUntrusted(verify: () => unknown): string | undefined {
  try {
    verify()
    return undefined
  } catch (error) {
    return error instanceof Error ? cut(error.message, 300) : 'odd certificate'
  }
}

export const gatewayName: Check = {
  name: 'gateway-name',
  judge: (facts) => {
    const { handshake, namespace } = facts
    if (!isInstalled(facts, 'gateway')) return ok('no gateway is installed here')
    const service = `countersign-gateway.${namespace}.svc`
    if (!handshake.known) {
      return warning(`not checked: the gateway is not reached from here`, {
        evidence: [handshake.why],
        hint: `outside the cluster: kubectl -n ${namespace} port-forward service/countersign-gateway 8443:443, and --gateway https://127.0.0.1:8443`,
      })
    }
    const published = publishedAnchors(facts)
    if (published === undefined) {
      return warning('not checked: there are no anchors to verify the gateway with', {
        evidence: [`${handshake.value.address} answers`],
        hint: 'see trust-bundle',
      })
    }
    return judgeShown(facts, published.bundle, service)
  },
}

function judgeShown(
  facts: Facts,
  bundle: Parameters<typeof verifyChain>[1],
  service: string,
): Judgement {
  const { handshake, namespace } = facts
  const shown = handshake.known ? handshake.value : { address: '', chain: [] }
  const wanted = `spiffe://${bundle.trustDomain}/ns/${namespace}/sa/countersign-gateway`
  const evidence: string[] = []
  const why = whyUntrusted(() => {
    const svid = verifyChain(shown.chain, bundle, clusterTime(facts))
    evidence.push(`${shown.address} shows ${svid.spiffeId.uri}`)
    evidence.push(`with the names ${svid.dnsNames.join(', ') || 'none'}`)
    if (svid.spiffeId.uri !== wanted) throw new Error(`SPIFFE ID: want=${wanted}`)
    if (!svid.dnsNames.includes(service)) throw new Error(`DNS name: want=${service}`)
  })
  if (why === undefined) return ok('the gateway answers with its own name', evidence)
  return problem('the gateway does not show its own name', {
    evidence: [...(evidence.length === 0 ? [`${shown.address} answers`] : evidence), why],
    hint: "the Service has to select the gateway and nobody else; a new certificate has the Service's name once the gateway's role is proved (see roles)",
  })
}
