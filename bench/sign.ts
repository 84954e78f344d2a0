/**
 * How many certificates a second one core builds, signs and inspects, beside Go's x509.CreateCertificate, which every Go signer uses.
 *
 *     node bench/sign.ts [--json]
 *
 * Both sign the same content with the same P-256 CA in alternating rounds of one run, so that a busy machine slows both.
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { verify } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inspectCertificate } from '../src/pki/inspect.ts'
import { createIssuer } from '../src/pki/issue.ts'
import type { IssuanceRequest } from '../src/pki/issue.ts'
import { parseSubjectKey } from '../src/pki/subject-key.ts'
import {
  createTestAuthority,
  generateTestKey,
  identityExtensionValue,
  spkiOf,
  testIdentity,
} from '../test/support/test-authority.ts'
import type { TestAuthority } from '../test/support/test-authority.ts'
import { atOnce } from '../test/support/at-once.ts'

const rounds = 7
const roundMilliseconds = 700

interface Round {
  readonly signed: number
  readonly seconds: number
}

interface Contestant {
  readonly name: string
  round(milliseconds: number): Promise<Round>
}

interface Result {
  readonly bench: 'sign'
  readonly case: string
  /** Certificates a second. */
  readonly ours: number
  readonly peer: number | null
  readonly peerName: string
  readonly ratio: number | null
}

const peerName = 'Go x509.CreateCertificate'
const json = process.argv.includes('--json')
const authority = createTestAuthority()
const request: IssuanceRequest = {
  identity: testIdentity({
    role: 'tool-server',
    tenant: 'acme',
    models: 'claude-sonnet',
    toolScopes: 'github:issues_*',
    serviceAccount: 'github-tools',
  }),
  dnsNames: ['github-tools.shop.svc'],
  key: parseSubjectKey(spkiOf(generateTestKey('ECDSAP256').publicKey)),
  lifetimeSeconds: 3600,
}

await main()

async function main(): Promise<void> {
  const go = startGo(authority, request)
  if (go === undefined) {
    process.stderr.write(
      'NO GO TOOLCHAIN: the figure stands alone, without the peer to compare with\n',
    )
  }
  const whole = contestant('build, sign, inspect', issueOne())
  const unchecked = contestant('of it: build and sign', signOne())
  const inspected = contestant('of it: inspect', inspectOne())
  const verified = contestant('of that: verify', verifyOne())
  const contestants = [whole, unchecked, inspected, verified, ...(go === undefined ? [] : [go])]
  for (const one of contestants) await one.round(roundMilliseconds)
  const figures = new Map<Contestant, number[]>(contestants.map((one) => [one, []]))
  for (let round = 0; round < rounds; round++) {
    for (const one of contestants) {
      const { signed, seconds } = await one.round(roundMilliseconds)
      figures.get(one)?.push(signed / seconds)
    }
  }
  const rateOf = (one: Contestant): number => median(figures.get(one) ?? [])
  const peer = go === undefined ? null : rateOf(go)
  const results = [whole, unchecked, inspected, verified].map((one): Result => {
    const ours = Math.round(rateOf(one))
    // The peer verifies what it signed, so only the whole path is compared with it; the parts explain the whole.
    const rival = one === whole ? peer : null
    const ratio = rival === null ? null : Math.round((ours / rival) * 100) / 100
    return {
      bench: 'sign',
      case: one.name,
      ours,
      peer: rival === null ? null : Math.round(rival),
      peerName,
      ratio,
    }
  })
  report(results)
  go?.close()
}

function report(results: readonly Result[]): void {
  if (json) {
    for (const result of results) process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  process.stdout.write(
    `${'P-256 leaf, one core'.padEnd(24)}${'ours/s'.padStart(9)}${'Go/s'.padStart(9)}${'ratio'.padStart(8)}\n`,
  )
  for (const { case: name, ours, peer, ratio } of results) {
    const row = [
      String(ours).padStart(9),
      String(peer ?? '-').padStart(9),
      String(ratio ?? '-').padStart(8),
    ]
    process.stdout.write(`${name.padEnd(24)}${row.join('')}\n`)
  }
}

/** The product's own path: prepare and issue, inspection with signature verification included. */
function issueOne(): () => void {
  const issuer = createIssuer({
    profile: authority.profile,
    authorities: authority.source,
    now: Date.now,
  })
  return () => {
    atOnce(issuer.issue(issuer.prepare(request)))
  }
}

/** The part that x509.CreateCertificate does but for its check of the signature: the to-be-signed octets, and the signature. */
function signOne(): () => void {
  const issuer = createIssuer({
    profile: authority.profile,
    authorities: authority.source,
    now: Date.now,
  })
  const octets = Buffer.alloc(800)
  return () => {
    issuer.prepare(request)
    atOnce(authority.authority.sign(octets))
  }
}

function inspectOne(): () => void {
  const issuer = createIssuer({
    profile: authority.profile,
    authorities: authority.source,
    now: Date.now,
  })
  const prepared = issuer.prepare(request)
  const { der } = atOnce(issuer.issue(prepared))
  const { profile } = authority
  const expected = { ...prepared, request, profile, authority: authority.authority }
  return () => {
    const findings = inspectCertificate(der, {
      ...expected,
      now: prepared.notBefore.getTime() + 90_000,
    })
    if (findings.length > 0) throw new Error(findings.join())
  }
}

/** The one call that no encoder can make cheaper: OpenSSL's check of a P-256 signature. */
function verifyOne(): () => void {
  const octets = Buffer.alloc(800)
  const signature = atOnce(authority.authority.sign(octets))
  const { publicKey } = authority.authority.certificate
  return () => {
    if (!verify('sha256', octets, publicKey, signature)) throw new Error('signature is not good')
  }
}

function contestant(name: string, one: () => void): Contestant {
  return {
    name,
    round: (milliseconds) => {
      const begin = performance.now()
      let signed = 0
      while (performance.now() - begin < milliseconds) {
        one()
        signed++
      }
      return Promise.resolve({ signed, seconds: (performance.now() - begin) / 1000 })
    },
  }
}

/** Builds and starts the peer on one core; undefined without a Go toolchain. */
function startGo(
  test: TestAuthority,
  asked: IssuanceRequest,
): (Contestant & { close(): void }) | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  const binary = join(folder, 'go-sign')
  try {
    const cwd = fileURLToPath(new URL('./go-sign/', import.meta.url))
    execFileSync('go', ['build', '-o', binary, '.'], {
      cwd,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
  const child = spawn(binary, { env: { ...process.env, GOMAXPROCS: '1' } })
  const lines = createInterface({ input: child.stdout })
  child.stderr.pipe(process.stderr)
  child.stdin.write(`${JSON.stringify(shapeOf(test, asked))}\n`)
  return {
    name: peerName,
    round: (milliseconds) => goRound(child, lines, milliseconds),
    close: () => {
      child.stdin.end()
      rmSync(folder, { recursive: true })
    },
  }
}

async function goRound(
  child: ChildProcessWithoutNullStreams,
  lines: ReturnType<typeof createInterface>,
  milliseconds: number,
): Promise<Round> {
  const answer = once(lines, 'line') as Promise<[string]>
  child.stdin.write(`${milliseconds}\n`)
  const [line] = await answer
  const [signed = 0, nanoseconds = 1] = line.split(' ').map(Number)
  return { signed, seconds: nanoseconds / 1e9 }
}

/** What the peer is to sign: the same fields, its own extension already encoded. */
function shapeOf(test: TestAuthority, asked: IssuanceRequest): object {
  return {
    certificatePem: test.certificatePem,
    privateKeyPem: test.privateKeyPem,
    spki: asked.key.spki.toString('base64'),
    subjectKeyId: asked.key.keyIdentifier.toString('base64'),
    uri: asked.identity.spiffeId.uri,
    dnsName: asked.dnsNames[0],
    extensionOid: test.profile.identityExtensionOid.split('.').map(Number),
    extension: identityExtensionValue(asked.identity).toString('base64'),
    lifetimeSeconds: asked.lifetimeSeconds,
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
