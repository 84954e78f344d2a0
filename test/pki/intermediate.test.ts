import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthority } from '../../src/pki/authority.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { newSerial } from '../../src/pki/certificate-write.ts'
import { prepareIntermediate, signIntermediate, unfitAbove } from '../../src/pki/intermediate.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import { parseX509Svid, verifyX509Svid } from '../../src/pki/x509-svid.ts'
import { requirement } from '../requirements.ts'
import {
  commonName,
  craftCa,
  craftCertificate,
  extension,
  generalNames,
  leafParts,
  seededKey,
  seededSpki,
  sequence,
  tlv,
  utcTime,
} from '../support/craft-certificate.ts'
import { createHubCa, dnsSuffixes, trustDomain } from '../support/hub-authority.ts'
import { askGo, askOpenssl, goVerifier, type ChainToVerify } from '../support/other-verifiers.ts'

const now = Date.UTC(2026, 10, 22, 12)
const day = 86_400
const hub = createHubCa({ now })
/** The signer of the other cluster. */
const seed = 7
const key = parseSubjectKey(seededSpki(seed))

function prepare(
  asked: Partial<Parameters<typeof prepareIntermediate>[1]> = {},
  authority = hub.authority,
): ReturnType<typeof prepareIntermediate> {
  const whole = { key, serial: newSerial(), dnsSuffixes, lifetimeSeconds: 30 * day, now }
  return prepareIntermediate(authority, { ...whole, ...asked })
}

const intermediate = await signIntermediate(hub.authority, prepare(), () => now)

test('a CA for another cluster signs leaves alone, of that trust domain and those DNS names', () => {
  requirement('intermediate.bound-to-its-cluster')
  const { pathLength, nameConstraints, names, certificate } = intermediate
  assert.equal(pathLength, 0)
  assert.deepEqual(nameConstraints?.permitted, {
    uris: [trustDomain],
    dnsNames: dnsSuffixes,
    otherTags: [],
  })
  assert.deepEqual(nameConstraints.excluded, {
    uris: [`.${trustDomain}`],
    dnsNames: [],
    otherTags: [],
  })
  assert.deepEqual(names?.uris, [`spiffe://${trustDomain}`])
  const critical = ['551d13', '551d0f', '551d1e']
  for (const oid of critical) assert.equal(certificate.extensions.get(oid)?.critical, true, oid)
  assert.equal(intermediate.notBefore.getTime(), now - 120_000)
  assert.equal(intermediate.notAfter.getTime(), now + 30 * day * 1000)
})

test('its signer takes it, with the key and the path to the root', () => {
  const certificatePem = formatCertificates([intermediate.der])
  const chainPem = hub.certificatePem
  const privateKeyPem = seededKey(seed).export({ format: 'pem', type: 'pkcs8' }).toString()
  const parts = { certificatePem, chainPem, privateKeyPem, trustDomain, dnsSuffixes }
  const authority = parseAuthority({ ...parts, now: () => now })
  assert.deepEqual(
    authority.anchors.map((der) => formatCertificates([der])),
    [hub.certificatePem],
  )
})

test('a CA for another cluster ends no later than the one above it, and has a day at least', () => {
  requirement('intermediate.within-the-life-above')
  const short = createHubCa({ now, notAfter: new Date(now + 20 * day * 1000) })
  assert.equal(prepare({}, short.authority).notAfter.getTime(), now + 20 * day * 1000)
  const over = createHubCa({ now, notAfter: new Date(now + day * 1000 - 1000) })
  assert.throws(() => prepare({}, over.authority), {
    code: 'pki/authority-unavailable',
    message: `authority has too little life left for a CA below it, want=86400s got=86399s`,
  })
})

test('a CA that may have none below it signs none', async () => {
  const basicConstraints = sequence(Buffer.from('0101ff020100', 'hex'))
  const { authority } = createHubCa({ now, basicConstraints })
  const message = 'authority may have no CA below it, want=pathLen 1 or none got=0'
  assert.equal(unfitAbove(authority), message)
  await assert.rejects(
    signIntermediate(authority, prepare({}, authority), () => now),
    { code: 'pki/authority', message },
  )
  const one = createHubCa({ now, basicConstraints: sequence(Buffer.from('0101ff020101', 'hex')) })
  assert.equal(unfitAbove(one.authority), undefined)
})

/** What the other signer could sign, whatever it may. */
function leafBelow(
  uri: string,
  dnsName: string,
  signed: { readonly seed: number; readonly by: Buffer; readonly isBelowLeafCa?: boolean } = {
    seed,
    by: intermediate.subject,
  },
): Buffer {
  const parts = leafParts()
  const { keyIdentifier } = parseSubjectKey(seededSpki(signed.seed))
  const identifier = signed.isBelowLeafCa === true ? Buffer.alloc(20, signed.seed) : keyIdentifier
  return craftCertificate({
    ...parts,
    issuer: signed.by,
    signer: seededKey(signed.seed),
    validity: sequence(utcTime('261122115900Z'), utcTime('261122130000Z')),
    extensions: {
      ...parts.extensions,
      subjectAltName: extension('2.5.29.17', true, generalNames([uri], [dnsName])),
      authorityKeyIdentifier: extension('2.5.29.35', false, sequence(tlv(0x80, identifier))),
    },
  })
}

/** A CA below the one that may have none. */
const further = craftCa({
  name: 'further',
  seed: 8,
  issuer: { name: 'x', seed },
  parts: {
    issuer: intermediate.subject,
    validity: sequence(utcTime('261122115900Z'), utcTime('261222130000Z')),
  },
  extensions: {
    subjectAltName: extension('2.5.29.17', false, generalNames([`spiffe://${trustDomain}`])),
    authorityKeyIdentifier: extension('2.5.29.35', false, sequence(tlv(0x80, key.keyIdentifier))),
  },
})

const good = `spiffe://${trustDomain}/ns/tools/sa/github`
const dnsName = 'github.tools.svc'
const cases: readonly {
  readonly title: string
  readonly leaf: Buffer
  readonly dnsName?: string
  readonly below?: readonly Buffer[]
  readonly isTaken: boolean
}[] = [
  { title: 'a name of the trust domain', leaf: leafBelow(good, dnsName), isTaken: true },
  {
    title: 'a name of another trust domain',
    leaf: leafBelow('spiffe://hub.example/ns/tools/sa/github', dnsName),
    isTaken: false,
  },
  {
    title: 'a name of a trust domain below it',
    leaf: leafBelow(`spiffe://a.${trustDomain}/ns/tools/sa/github`, dnsName),
    isTaken: false,
  },
  {
    title: 'a DNS name that is no Service of a cluster',
    leaf: leafBelow(good, 'www.bank.example'),
    dnsName: 'www.bank.example',
    isTaken: false,
  },
  {
    title: 'a CA of its own between',
    leaf: leafBelow(good, dnsName, { seed: 8, by: commonName('further'), isBelowLeafCa: true }),
    below: [further],
    isTaken: false,
  },
]

const chains: readonly ChainToVerify[] = cases.map(({ leaf, below = [], ...rest }) => ({
  leaf,
  intermediates: [...below, intermediate.der],
  anchors: hub.authority.anchors,
  dnsName: rest.dnsName ?? dnsName,
  now,
}))
const go = await goVerifier()
const said = go === undefined ? undefined : askGo(go, chains)

for (const [index, { title, leaf, below = [], isTaken }] of cases.entries()) {
  test(`below a CA for another cluster ${title} is ${isTaken ? 'taken' : 'refused'} by us, OpenSSL and Go`, () => {
    requirement('intermediate.bound-to-its-cluster')
    const chain = chains[index] ?? assert.fail()
    const openssl = askOpenssl(chain)
    if (openssl !== undefined) assert.equal(openssl === '', isTaken, `openssl: ${openssl}`)
    const saidByGo = said?.[index]
    if (saidByGo !== undefined) assert.equal(saidByGo === '', isTaken, `go: ${saidByGo}`)
    const bundle = parseBundle(hub.certificatePem, trustDomain)
    const validate = (): unknown =>
      verifyX509Svid(parseX509Svid(leaf), {
        bundle,
        intermediates: [...below, intermediate.der],
        now,
      })
    if (isTaken) validate()
    else assert.throws(validate)
  })
}
