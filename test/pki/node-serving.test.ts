import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, createSecureContext } from 'node:tls'
import { openCredentialFolder } from '../../src/renewal/credential-folder.ts'
import { verifyServing } from '../../src/pki/node-serving.ts'
import { requirement } from '../requirements.ts'
import { createAuthority, type Authority, type Credential } from '../support/cluster-credentials.ts'

const names = { nodeName: 'a', dnsNames: ['a.example'], addresses: ['127.0.0.1', 'fd00::1'] }
const asked = [
  { type: 'dns' as const, value: 'a.example' },
  { type: 'ip' as const, value: '127.0.0.1' },
  { type: 'ip' as const, value: 'fd00::1' },
]

let authority: Authority
let folder: string

before(async () => {
  authority = await createAuthority('the signer of kubelets')
  folder = await mkdtemp(join(tmpdir(), 'node-serving-'))
})

after(() => rm(folder, { recursive: true, force: true }))

function check({ privateKeyPem, certificatePem }: Credential, now = Date.now()): unknown {
  const trustBundle = authority.certificatePem
  return verifyServing(`${privateKeyPem}${certificatePem}`, { names, trustBundle, now })
}

test('a serving certificate is taken that is the node’s, for all that was asked', async () => {
  requirement('renewal.verified-before-written')
  const found = check(await authority.issueNode({ name: 'a', names: asked }))
  assert.equal((found as { subject: string }).subject, 'system:node:a')
})

const refused: Readonly<Record<string, readonly [() => Promise<Credential>, RegExp]>> = {
  'of another node': [() => authority.issueNode({ name: 'b', names: asked }), /another subject/],
  'of another name': [
    () => authority.issueNode({ name: 'a', names: asked.slice(1) }),
    /is not for "a\.example"/,
  ],
  'of a wildcard': [
    () =>
      authority.issueNode({
        name: 'a',
        names: [{ type: 'dns', value: '*.example' }, ...asked.slice(1)],
      }),
    /is not for "a\.example"/,
  ],
  'of another address': [
    () => authority.issueNode({ name: 'a', names: asked.slice(0, 2) }),
    /is not for "fd00::1"/,
  ],
  'for clients': [
    () => authority.issueNode({ name: 'a', names: asked, usage: 'client' }),
    /not for a server/,
  ],
  'that has ended': [
    () => authority.issueNode({ name: 'a', names: asked, notAfter: new Date(Date.now() - 1000) }),
    /has ended/,
  ],
  'of another signer': [
    async () => (await createAuthority('x')).issueNode({ name: 'a', names: asked }),
    /leads to none of the anchors/,
  ],
  'of a signer of the same name': [
    async () =>
      (await createAuthority('the signer of kubelets')).issueNode({ name: 'a', names: asked }),
    /leads to none of the anchors/,
  ],
  'of another key': [
    async () => {
      const own = await authority.issueNode({ name: 'a', names: asked })
      const { privateKeyPem } = await authority.issueNode({ name: 'a', names: asked })
      return { ...own, privateKeyPem }
    },
    /of another key/,
  ],
}

for (const [what, [make, said]] of Object.entries(refused)) {
  test(`a serving certificate ${what} is not taken`, async () => {
    requirement('renewal.verified-before-written')
    const credential = await make()
    assert.throws(() => check(credential), { code: 'pki/credential', message: said })
  })
}

test('one that is of later is not taken', async () => {
  requirement('renewal.verified-before-written')
  const credential = await authority.issueNode({ name: 'a', names: asked })
  assert.throws(() => check(credential, Date.now() - 3_600_000), { message: /of later/ })
})

test('a server that loads both files for each handshake, as a virtual kubelet does, serves the next certificate', async (t) => {
  const path = join(folder, 'served')
  const kept = await openCredentialFolder(path, { groupReadable: false, split: true })
  const write = async (): Promise<string> => {
    const { privateKeyPem, certificatePem } = await authority.issueNode({ name: 'a', names: asked })
    const credentialBundle = `${privateKeyPem}${certificatePem}`
    await kept.write({ credentialBundle, trustBundle: authority.certificatePem })
    return certificatePem
  }
  await write()
  const server = createServer({
    SNICallback: (_name, told) => {
      Promise.all(['tls.key', 'tls.crt'].map((name) => readFile(join(path, name))))
        .then(([key, cert]) => told(null, createSecureContext({ key, cert })))
        .catch((error: unknown) => told(error as Error))
    },
  })
  t.after(() => server.close())
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const served = new Set<string>()
  for (let turn = 0; turn < 3; turn += 1) {
    await write()
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'a.example',
      ca: authority.certificatePem,
    })
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject)
    })
    served.add(socket.getPeerCertificate().fingerprint256)
    socket.destroy()
  }
  assert.equal(served.size, 3)
})
