/**
 * Shows what the signer and its readers parse octets that are nearly right: `node test/fuzz/fuzz-parsers.ts [--seconds=60] [--seed=1]`. The same
 * seed goes wrong in the same ways, and each case is known by its number; `--only=<number>` shows that one alone. A parser reads a value or refuses by
 * one of our errors, and what it reads is what was written: nothing that was changed is taken for what was signed.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { CountersignError } from '../../src/errors.ts'
import { annotationKeys } from '../../src/identity/governance-key.ts'
import { formatEntry, parseLine, verifyLine } from '../../src/ledger/entry.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { parseCertificateRequest } from '../../src/pki/certificate-request.ts'
import { DerWriter } from '../../src/pki/der-write.ts'
import { parseIdentityExtension, writeIdentityExtension } from '../../src/pki/identity-extension.ts'
import { parsePem } from '../../src/pki/pem.ts'
import { parseX509Svid, verifyX509Svid } from '../../src/pki/x509-svid.ts'
import { parseAttributes } from '../../src/signer/verdict/claims.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/tlog/checkpoint.ts'
import { createVerifier, formatNote, isSignedBy, parseNote, signNote } from '../../src/tlog/note.ts'
import { intentRecord } from '../ledger/records.ts'
import { createTestAuthority, testIdentity } from '../support/test-authority.ts'
import { casesAsked } from './cases-asked.ts'
import { createRandom, type Random } from './random.ts'

interface Parsed {
  /** What is right. */
  readonly octets: Buffer
  /** Throws where it is refused; asserts that what was read is what stands there. */
  readonly read: (octets: Buffer) => void
}

/** One of each, made anew: keys differ from run to run. */
function parsers(): Readonly<Record<string, Parsed>> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const request = encodeCertificateRequest({ privateKey })
  const ca = createTestAuthority()
  const issued = ca.issue({ toolScopes: 'files:*', models: 'small' })
  const leaf = issued.issued.der
  const writer = new DerWriter(16_384)
  writeIdentityExtension(writer, testIdentity({ toolScopes: 'files:*', models: 'small' }))
  const line = formatEntry(intentRecord(7)).line.subarray(0, -1)
  return {
    'certificate request': { octets: request, read: readOnlyIts(request, parseCertificateRequest) },
    'identity extension': { octets: writer.take(), read: readExtension },
    certificate: {
      octets: leaf,
      read: readOnlyIts(leaf, (octets) => {
        const { bundle } = ca
        verifyX509Svid(parseX509Svid(octets), { bundle, now: Date.now() })
      }),
    },
    'trust bundle': {
      octets: Buffer.from(ca.bundlePem),
      read: (octets) => {
        const { anchors } = parseBundle(octets.toString('latin1'), ca.trustDomain)
        assert.ok(anchors.length > 0)
      },
    },
    pem: { octets: Buffer.from(issued.credentialPem), read: readPem },
    annotations: {
      octets: Buffer.from('tool-server\0blue\0small,large\0github:issues_*,wiki:read'),
      read: readAnnotations,
    },
    note: { octets: Buffer.from(signedCheckpoint()), read: readNote },
    'ledger line': {
      octets: line,
      read: readOnlyIts(line, (octets) => {
        if (verifyLine(octets) === undefined) throw new CountersignError('ledger/corrupt', 'line')
        parseLine(octets)
      }),
    },
  }
}

/** What is signed or hashed as a whole is read as it was, or not at all. */
function readOnlyIts(right: Buffer, read: (octets: Buffer) => unknown): (octets: Buffer) => void {
  return (octets) => {
    read(octets)
    assert.ok(octets.equals(right), 'what was changed is read')
  }
}

function readExtension(octets: Buffer): void {
  const binding = parseIdentityExtension(octets)
  const writer = new DerWriter(16_384)
  writeIdentityExtension(writer, binding)
  assert.deepEqual(writer.take(), octets, 'there is one way to write it')
}

function readPem(octets: Buffer): void {
  const what = { code: 'pki/credential', what: 'fuzzed', charactersMax: 65_536 } as const
  for (const { label, der } of parsePem(octets.toString('latin1'), what)) {
    assert.ok(label.length > 0 && der.length <= octets.length)
  }
}

function readAnnotations(octets: Buffer): void {
  const values = octets.toString('latin1').split('\0')
  const keys = Object.values(annotationKeys)
  const read = parseAttributes(
    Object.fromEntries(values.map((value, at) => [keys[at] ?? `other.dev/${at}`, value])),
  )
  if ('refused' in read) throw new CountersignError('cli/usage', 'refused')
  for (const { text } of read.ok.toolScopes ?? []) assert.ok((values[3] ?? '').includes(text))
}

const log = generateKeyPairSync('ed25519')
const verifier = createVerifier('example.com/log', log.publicKey)

function signedCheckpoint(): string {
  const rootHash = 'ab'.repeat(32)
  const text = formatCheckpoint({ origin: verifier.name, size: 1_234_067, rootHash })
  return formatNote({ text, signatures: [signNote(text, { ...verifier, ...log })] })
}

function readNote(octets: Buffer): void {
  const text = octets.toString('utf8')
  const note = parseNote(text)
  assert.equal(formatNote(note), text, 'there is one way to write it')
  if (isSignedBy(note, verifier)) assert.equal(note.text, parseNote(signedCheckpoint()).text)
  assert.ok(note.text.startsWith(formatCheckpoint(parseCheckpoint(note.text))))
}

export interface FuzzedParsers {
  readonly cases: number
  /** How often each has read a value, and has refused. */
  readonly read: ReadonlyMap<string, number>
  readonly refused: ReadonlyMap<string, number>
}

export function fuzzParsers({
  seed,
  cases,
}: {
  readonly seed: number
  readonly cases: Iterable<number>
}): FuzzedParsers {
  const all = parsers()
  const [read, refused] = [new Map<string, number>(), new Map<string, number>()]
  let count = 0
  for (const number of cases) {
    const random = createRandom(seed * 1_000_003 + number)
    const name = random.pick(Object.keys(all))
    const parsed = all[name]
    assert.ok(parsed !== undefined)
    const octets = random.oneIn(50) ? parsed.octets : changed(parsed.octets, random)
    const counted = outcomeOf(parsed, octets, `--seed=${seed} --only=${number}: ${name}`)
      ? read
      : refused
    counted.set(name, (counted.get(name) ?? 0) + 1)
    count += 1
  }
  return { cases: count, read, refused }
}

/** Whether it was read; any other failure than a refusal is a defect. */
function outcomeOf({ read }: Parsed, octets: Buffer, which: string): boolean {
  try {
    read(octets)
    return true
  } catch (cause) {
    if (cause instanceof CountersignError) return false
    throw new Error(`${which} ${octets.toString('hex').slice(0, 8_192)}`, { cause })
  }
}

const odd = [0x00, 0x01, 0x0a, 0x1e, 0x2d, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff]

/** Nearly what it was: a few octets are others, fewer, more, or elsewhere. */
function changed(octets: Buffer, random: Random): Buffer {
  let made = Buffer.from(octets)
  for (let edits = 1 + random.below(3); edits > 0; edits -= 1) {
    const at = random.below(made.length + 1)
    const to = Math.min(made.length, at + 1 + random.below(random.pick([1, 4, 64])))
    const [head, middle, tail] = [made.subarray(0, at), made.subarray(at, to), made.subarray(to)]
    const one = Buffer.of(random.oneIn(2) ? random.pick(odd) : random.below(256))
    const flipped = Buffer.from(middle)
    if (flipped.length > 0) flipped[0] = (flipped[0] ?? 0) ^ (1 << random.below(8))
    made = Buffer.concat(
      random.pick([
        [head, flipped, tail],
        [head, one, tail],
        [head, tail],
        [head, one, middle, tail],
        [head, middle, middle, tail],
        [tail, middle, head],
        [head],
        [middle, tail],
      ]),
    )
  }
  return made
}

if (import.meta.main) {
  const { cases: count, read, refused } = fuzzParsers(casesAsked())
  const told = {
    cases: count,
    read: Object.fromEntries(read),
    refused: Object.fromEntries(refused),
  }
  process.stdout.write(`${JSON.stringify(told)}\n`)
}
