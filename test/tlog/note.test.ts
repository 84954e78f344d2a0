import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { suite, test } from 'node:test'
import { formatCheckpoint, parseCheckpoint } from '../../src/tlog/checkpoint.ts'
import {
  cosignNote,
  createVerifier,
  formatNote,
  formatVerifierKey,
  isSignedBy,
  parseNote,
  parseVerifierKey,
  signNote,
} from '../../src/tlog/note.ts'
import { requirement } from '../requirements.ts'

const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
const publicKey = createPublicKey(privateKey)
const log = { ...createVerifier('example.org/log', publicKey), privateKey }
const witness = { ...createVerifier('witness.example/w1', publicKey, 'cosignature'), privateKey }
const text = formatCheckpoint({ origin: log.name, size: 20_852_163, rootHash: 'ab'.repeat(32) })
const whole = formatNote({
  text,
  signatures: [signNote(text, log), cosignNote(text, witness, 1_679_315_147)],
})

test('a note is read as it was written, signed by log and witness', () => {
  requirement('ledger.published-as-log')
  const note = parseNote(whole)
  assert.equal(formatNote(note), whole)
  assert.ok(isSignedBy(note, log))
  assert.ok(isSignedBy(note, witness))
  assert.ok(!isSignedBy(note, createVerifier('example.org/other', publicKey)))
  // The key of a log signs no statement of a witness, nor the other way round.
  assert.ok(!isSignedBy(note, createVerifier(log.name, publicKey, 'cosignature')))
  assert.deepEqual(parseCheckpoint(note.text), {
    origin: log.name,
    size: 20_852_163,
    rootHash: 'ab'.repeat(32),
  })
})

test('a signature that bears a known name and is not its own makes the note nobody’s', () => {
  requirement('ledger.published-as-log')
  for (const changed of [
    whole.replace('20852163', '20852164'),
    whole.replace('example.org/log\n', 'example.org/log2\n'),
  ]) {
    const note = parseNote(changed)
    for (const verifier of [log, witness]) {
      assert.throws(() => isSignedBy(note, verifier), { code: 'ledger/note' })
    }
  }
  // The time is part of what a witness signs.
  const late = cosignNote(text, witness, 1_679_315_148)
  const { signature } = cosignNote(text, witness, 1_679_315_147)
  late.signature.subarray(0, 8).copy(signature)
  const forged = { text, signatures: [{ ...late, signature }] }
  assert.throws(() => isSignedBy(forged, witness), { code: 'ledger/note' })
})

test('a verifier key is written as Go writes it, and read again', () => {
  for (const verifier of [log, witness]) {
    const read = parseVerifierKey(formatVerifierKey(verifier))
    assert.equal(read.name, verifier.name)
    assert.equal(read.kind, verifier.kind)
    assert.ok(read.publicKey.equals(publicKey))
  }
  for (const bad of [
    '',
    'a+b',
    'a+00000000+AQ==',
    formatVerifierKey(log).replace('example', 'exomple'),
    formatVerifierKey(log).slice(0, -1),
    `${formatVerifierKey(log)}=`,
    `a b${formatVerifierKey(log)}`,
  ]) {
    assert.throws(() => parseVerifierKey(bad), { code: 'ledger/note' }, bad)
  }
})

suite('what is no note is refused:', () => {
  const bad: readonly [string, string][] = [
    ['nothing', ''],
    ['a text without signatures', text],
    ['no empty line', whole.replace('\n\n', '\n')],
    ['no line feed at the end', whole.slice(0, -1)],
    ['a carriage return', whole.replace('\n', '\r\n')],
    ['a control character', whole.replace('org', 'o\u0007g')],
    ['a hyphen for the dash', whole.replace('— ', '- ')],
    ['base64 that is not whole', whole.replace(/=\n$/, '\n')],
    ['a signature of four octets', `${text}\n— a AAAAAA==\n`],
    ['sixty-five signatures', `${text}\n${'— a AAAAAAA=\n'.repeat(65)}`],
    ['a mebioctet', `${'x'.repeat(1_048_576)}\n\n— a AAAAAAA=\n`],
  ]
  for (const [title, octets] of bad) {
    test(title, () => {
      assert.throws(() => parseNote(octets), { code: 'ledger/note' })
    })
  }

  for (const line of ['-1', '01', '1e3', '9007199254740993', '', ' 1', '0x10']) {
    test(`a checkpoint of size ${JSON.stringify(line)}`, () => {
      const bent = text.replace('20852163', line)
      assert.throws(() => parseCheckpoint(bent), { code: 'ledger/note' })
    })
  }
  test('a checkpoint with half a root', () => {
    assert.throws(() => parseCheckpoint('o\n1\nqrvM\n'), { code: 'ledger/note' })
  })
})
