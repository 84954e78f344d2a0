import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseAuthority, staticAuthoritySource } from '../../src/pki/authority.ts'
import type { Authority } from '../../src/pki/authority.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import {
  authorityKeyIdentifier,
  commonName,
  craftCa,
  craftCertificate,
  extension,
  generalNames,
  leafParts,
  seededKey,
  seededSpki,
  sequence,
  subjectKeyIdentifier,
  utcTime,
} from '../support/craft-certificate.ts'
import { askGo, askOpenssl, goVerifier } from '../support/other-verifiers.ts'
import type { ChainToVerify } from '../support/other-verifiers.ts'
import { testIdentity } from '../support/test-authority.ts'
import { requirement } from '../requirements.ts'
import { caCases } from './ca-path-cases.ts'
import type { CaCase } from './ca-path-cases.ts'
import { atOnce } from '../support/at-once.ts'

const now = Date.UTC(2026, 10, 22, 12)
const dnsName = 'github.tools.svc'
const trustDomain = parseTrustDomain('test.example')

const go = await goVerifier()
const judged = Object.values(caCases).map((one) => judgeOurs(chainOf(one)))
const saidByGo =
  go === undefined
    ? undefined
    : askGo(
        go,
        judged.map(({ chain }) => chain),
      )

for (const [index, [title, one]] of Object.entries(caCases).entries()) {
  test(`of a CA with ${title}, Go and OpenSSL say what the table says, and we refuse what one refuses`, () => {
    requirement('pki.what-others-refuse-is-refused-at-load')
    const { refusal, chain } = judged[index] ?? assert.fail()
    assert.equal(refusal, one.ours)
    const openssl = askOpenssl(chain)
    if (openssl !== undefined) assertSaid('openssl', openssl, one.openssl)
    const said = saidByGo?.[index]
    if (said !== undefined) assertSaid('go', said, one.go)
    if (one.ours === '') assert.deepEqual([openssl ?? '', said ?? ''], ['', ''])
  })
}

function assertSaid(who: string, got: string, want: string): void {
  if (want === '') assert.equal(got, '', who)
  else assert.ok(got.includes(want), `${who}: want=${want} got=${got}`)
}

/** The CAs of a case and a serving leaf below. */
function chainOf(one: CaCase): ChainToVerify {
  const root = craftCa({
    name: 'root',
    seed: 1,
    extensions: one.root ?? {},
    parts: one.rootParts ?? {},
  })
  const issuer = one.middle === undefined ? 'root' : 'middle'
  const seed = issuer === 'root' ? 1 : 3
  const middle = craftCa({
    name: 'middle',
    seed: 3,
    issuer: { name: 'root', seed: 1 },
    extensions: one.middle ?? {},
    parts: one.middleParts ?? {},
  })
  const issuing = issuer === 'root' ? one.root : one.middle
  const hasKeyIdentifier = issuing?.['subjectKeyIdentifier']?.length !== 0
  const parts = leafParts()
  const leaf = craftCertificate({
    ...parts,
    issuer: issuer === 'root' ? (one.rootParts?.subject ?? commonName('root')) : commonName(issuer),
    signer: seededKey(seed),
    validity: sequence(utcTime('261122115900Z'), utcTime('261122130000Z')),
    extensions: {
      ...parts.extensions,
      subjectAltName: extension(
        '2.5.29.17',
        true,
        generalNames(
          ['spiffe://test.example/ns/tools/sa/github'],
          [dnsName, `${dnsName}.cluster.local`],
        ),
      ),
      subjectKeyIdentifier: subjectKeyIdentifier(2),
      ...(hasKeyIdentifier ? { authorityKeyIdentifier: authorityKeyIdentifier(seed) } : {}),
    },
  })
  return { leaf, intermediates: issuer === 'root' ? [] : [middle], anchors: [root], dnsName, now }
}

/** Why we do not take the CA, or the chain with a leaf of our own making. */
function judgeOurs(chain: ChainToVerify): {
  readonly refusal: string
  readonly chain: ChainToVerify
} {
  const { intermediates, anchors } = chain
  const seed = intermediates.length === 0 ? 1 : 3
  try {
    const authority = parseAuthority({
      certificatePem: formatCertificates([...intermediates, ...anchors]),
      privateKeyPem: seededKey(seed).export({ format: 'pem', type: 'pkcs8' }).toString(),
      trustDomain,
      now: () => now,
    })
    return { refusal: '', chain: { ...chain, leaf: issueBy(authority) } }
  } catch (error) {
    return { refusal: error instanceof Error ? error.message : String(error), chain }
  }
}

test('a CA below a root that has ended takes the root that was renewed with its key, in whatever order they stand', () => {
  requirement('pki.what-others-refuse-is-refused-at-load')
  const ended = craftCa({
    name: 'root',
    seed: 1,
    parts: { validity: sequence(utcTime('260101000000Z'), utcTime('261101000000Z')) },
  })
  const renewed = craftCa({ name: 'root', seed: 1 })
  const middle = craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 } })
  const judge = (anchors: readonly Buffer[]): string =>
    judgeOurs({ leaf: middle, intermediates: [middle], anchors, dnsName, now }).refusal
  assert.equal(judge([ended, renewed]), '')
  assert.equal(judge([renewed, ended]), '')
  assert.match(judge([ended]), /^CA 1 above the authority has ended/)
})

function issueBy(authority: Authority): Buffer {
  const profile = createProfile({ trustDomain, cluster: 'test', production: false })
  const authorities = staticAuthoritySource(authority)
  const issuer = createIssuer({ profile, authorities, now: () => now })
  const identity = testIdentity({ namespace: 'tools', role: 'tool-server' })
  const dnsNames = [dnsName, `${dnsName}.cluster.local`]
  const key = parseSubjectKey(seededSpki(2))
  const prepared = issuer.prepare({ identity, dnsNames, key, lifetimeSeconds: 3600 })
  return atOnce(issuer.issue(prepared)).der
}
