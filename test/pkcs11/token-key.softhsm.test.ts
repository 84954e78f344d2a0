import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { proveKey } from '../../src/pki/ca-key.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { openRemoteAuthority } from '../../src/pki/remote-authority.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import { parseX509Svid, verifyX509Svid } from '../../src/pki/x509-svid.ts'
import { openToken, type TokenPlace } from '../../src/pkcs11/token-key.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import {
  createTestAuthority,
  generateTestKey,
  spkiOf,
  testIdentity,
} from '../support/test-authority.ts'
import { toolPath } from '../tools/build.ts'

const program = toolPath('softhsm2')
if (program === undefined) {
  process.stderr.write(
    'NO softhsm2: what a token signs is not asked (node test/tools/build.ts softhsm2)\n',
  )
}
const skip = program === undefined ? 'softhsm2 is not unpacked' : false

const folder = mkdtempSync(join(tmpdir(), 'countersign-hsm-'))
const environment = { ...process.env, SOFTHSM2_CONF: join(folder, 'softhsm2.conf') }
const socket = join(folder, 'p11')
let stop = (): Promise<unknown> => Promise.resolve()

function util(...words: readonly string[]): void {
  execFileSync(program ?? '', words, { env: environment, stdio: 'pipe' })
}

let imported = 0

function importKey(pem: string, label: string): void {
  imported += 1
  const id = String(imported).padStart(2, '0')
  const file = join(folder, `${label}-${id}.pem`)
  writeFileSync(file, pem)
  util('--import', file, '--token', 'ca', '--label', label, '--id', id, '--pin', '1234')
}

before(async () => {
  if (program === undefined) return
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens)
  writeFileSync(
    join(folder, 'softhsm2.conf'),
    `directories.tokendir = ${tokens}\nlog.level = ERROR\n`,
  )
  writeFileSync(join(folder, 'pin'), '1234\n')
  util('--init-token', '--free', '--label', 'ca', '--pin', '1234', '--so-pin', '5678')
  const words = ['--foreground', '--name', socket, 'pkcs11:token=ca']
  const server = spawn(join(dirname(program), 'p11-kit-server'), words, {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stop = () => {
    const ended = once(server, 'exit')
    server.kill()
    return ended
  }
  await once(server.stdout, 'data')
})

after(async () => {
  await stop()
  rmSync(folder, { recursive: true })
})

function place(key: string): TokenPlace {
  return { socket, token: 'ca', key, pinFile: join(folder, 'pin') }
}

for (const keyType of ['ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'RSA3072'] as const) {
  test(
    `a token signs with a key of type ${keyType}, as the CA that has it would`,
    { skip },
    async () => {
      const { privateKey } = generateTestKey(keyType)
      importKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), keyType)
      using token = openToken(place(keyType))
      const key = token.keyOf(createPublicKey(privateKey))
      // A signature with a short number comes once in some hundreds.
      for (let times = 0; times < 20; times += 1) await proveKey(key)
      const other: KeyObject = generateTestKey(keyType).publicKey
      await assert.rejects(async () => token.keyOf(other).sign(Buffer.alloc(1)), {
        code: 'pki/authority',
      })
    },
  )
}

test(
  'a CA whose key is in a token issues certificates, and the next one in the token follows it',
  { skip },
  async () => {
    requirement('pki.key-elsewhere')
    const [now, next] = [createTestAuthority(), createTestAuthority()]
    importKey(now.privateKeyPem, 'ca-key')
    const file = join(folder, 'ca.crt')
    writeFileSync(file, now.certificatePem)
    using token = openToken(place('ca-key'))
    await using authorities = await openRemoteAuthority({
      certificateFile: file,
      keyOf: (publicKey) => token.keyOf(publicKey),
      trustDomain: now.trustDomain,
      now: Date.now,
      log: silentLog,
      retrySeconds: 0.05,
      pollSeconds: 0.05,
    })
    const issuer = createIssuer({ profile: now.profile, authorities, now: Date.now })
    const issueBelow = async ({ bundle, authority }: typeof now): Promise<void> => {
      const isInForce = (): boolean => {
        try {
          return authorities.current().certificate.sha256 === authority.certificate.sha256
        } catch {
          return false
        }
      }
      await eventually('the CA of the file', isInForce)
      const prepared = issuer.prepare({
        identity: testIdentity(),
        dnsNames: [],
        key: parseSubjectKey(spkiOf(generateTestKey('ECDSAP256').publicKey)),
        lifetimeSeconds: 3600,
      })
      const { der } = await issuer.issue(prepared)
      verifyX509Svid(parseX509Svid(der), { bundle, now: Date.now() })
    }
    await issueBelow(now)
    importKey(next.privateKeyPem, 'ca-key')
    writeFileSync(file, next.certificatePem)
    await issueBelow(next)
  },
)
