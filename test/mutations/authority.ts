import { never, type Mutation } from './mutation.ts'

const path = 'src/pki/ca-path.ts'
const journaled = 'test/signer/anchors/trust-bundle.journal.test.ts'
const bySchedule = 'signer.rotates-by-schedule'
const scheduled = 'test/signer/anchors/scheduled-rotation.test.ts'
const byProof = 'signer.rotation-by-proof'
const command = 'test/cli/command/ca-command.test.ts'
const asksOnce = 'signer.asks-for-its-ca-once'
const belowConfigured = 'signer.requested-ca-below-a-configured-anchor'
const asking = 'src/signer/anchors/request-authority.ts'
const pendingInSecret = 'src/signer/anchors/pending-in-secret.ts'
const requesting = 'test/signer/anchors/request-authority.test.ts'
const neverClients = 'signer.never-the-client-ca'
const elsewhere = 'pki.key-elsewhere'
const refusedAtLoad = 'pki.what-others-refuse-is-refused-at-load'

/** The defences of the CA, of its names and of its files. */
export const authorityMutations: readonly Mutation[] = [
  {
    claim: 'identity.spiffe-id-strict',
    without: "the look at the lengths of a trust domain's labels",
    file: 'src/identity/trust-domain.ts',
    edits: [['label.length >= 1 && label.length <= 63', 'label.length >= 0']],
    tests: ['test/identity/trust-domain.test.ts'],
  },
  {
    claim: refusedAtLoad,
    without: 'the paths after the first',
    file: path,
    edits: [['tried > pathsMax', 'tried > 1']],
    tests: ['test/pki/ca-path.test.ts'],
  },
  {
    claim: refusedAtLoad,
    without: 'the look at key identifiers',
    file: path,
    edits: [['brokenKeyIdentifier(ca, place.above) ??', '']],
  },
  {
    claim: refusedAtLoad,
    without: 'the look at extended key usages',
    file: path,
    edits: [['if (missing)', 'if (missing && purposes.length > 9)']],
  },
  {
    claim: refusedAtLoad,
    without: 'the look at DNS names of Services under name constraints',
    file: path,
    edits: never('suffix !== undefined'),
  },
  {
    claim: refusedAtLoad,
    without: 'the look at the CAs above the one that signs',
    file: path,
    edits: [['of path.entries()) {', 'of path.slice(0, 1).entries()) {']],
  },
  {
    claim: refusedAtLoad,
    without: 'the look at names that Go does not read',
    file: path,
    edits: never('unreadable !== undefined'),
  },
  {
    claim: 'pki.rotation-keeps-last-good',
    without: 'the look whether the name of a watched folder is another one’s',
    file: 'src/pki/reloading-files.ts',
    edits: [['before !== undefined && before.identity === identity', 'before !== undefined']],
    tests: ['test/pki/files.test.ts'],
  },
  {
    claim: 'pki.rotation-keeps-last-good',
    without: 'the look whether key and certificate belong together',
    file: 'src/pki/authority.ts',
    edits: [['if (!spki.equals(path[0].certificate.spki)) {', 'if (spki.length === 0) {']],
    tests: ['test/pki/files.test.ts'],
  },
  {
    claim: elsewhere,
    without: 'the second look at the CA, after its key has signed',
    file: 'src/pki/issue.ts',
    edits: [['        fresh()\n        return finish(made)', '        return finish(made)']],
    tests: ['test/pki/issue.test.ts'],
  },
  {
    claim: neverClients,
    without: 'the look at the path of the CA',
    file: 'src/signer/anchors/client-authorities.ts',
    edits: [['if (odd === -1) return authority', 'if (odd > -2) return authority']],
    tests: ['test/signer/anchors/client-authorities.test.ts'],
  },
  {
    claim: neverClients,
    without: 'the wait for what the API server says',
    file: 'src/signer/anchors/client-authorities.ts',
    edits: [
      [
        'if (known === undefined) throw notRead(why)',
        'if (known === undefined && why === 0) throw notRead(why)',
      ],
    ],
    tests: ['test/signer/anchors/client-authorities.test.ts'],
  },
  {
    claim: neverClients,
    without: 'the look at every source of CAs',
    file: 'src/cli/signer/open-authority.ts',
    edits: [['parts: { ...source.parts, authorities },', 'parts: { ...source.parts },']],
    tests: ['test/cli/signer/open-authority.test.ts'],
  },
  {
    claim: neverClients,
    without: 'the look at anchors',
    file: 'src/signer/anchors/client-authorities.ts',
    edits: [['source.anchors().filter((anchor) => !isClients(anchor))', 'source.anchors()']],
    tests: ['test/signer/anchors/client-authorities.test.ts'],
  },
  {
    claim: 'pki.leaf-within-issuer',
    without: 'the look whether the CA in force is still the one that was prepared for',
    file: 'src/pki/issue.ts',
    edits: [['rules.authority !== rules.current', 'rules.authority === undefined']],
    tests: ['test/signer/issue/issuance-faults.test.ts'],
  },
  {
    claim: elsewhere,
    without: 'the proof of the key',
    file: 'src/pki/remote-authority.ts',
    edits: [['    await proveKey(key)\n', '    await key.sign(Buffer.alloc(1))\n']],
    tests: ['test/pki/remote-authority.test.ts'],
  },
  {
    claim: elsewhere,
    without: 'the look whether the token has signed with the same key',
    file: 'src/pkcs11/token-key.ts',
    edits: [
      [
        'if (verifySignature(algorithm, publicKey, { octets, signature })) return signature',
        'if (signature.length > 0) return signature',
      ],
    ],
    tests: ['test/pkcs11/token-key.test.ts'],
  },
  {
    claim: 'pki.token-pin-tried-once',
    without: 'the memory of the PIN',
    file: 'src/pkcs11/token-key.ts',
    edits: [['      this.#refusedPin = pin\n', '']],
  },
  {
    claim: 'signer.by-the-clock-of-the-cluster',
    without: 'the wait of requests',
    file: 'src/signer/rights.ts',
    edits: [['return clock?.problem()', 'return undefined']],
    tests: ['test/signer/controller.test.ts'],
  },
  {
    claim: 'signer.by-the-clock-of-the-cluster',
    without: 'the look before anchors are written',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: [[': serverClock?.problem()', ': undefined']],
    tests: ['test/signer/anchors/trust-bundle.test.ts'],
  },
  {
    claim: 'signer.by-the-clock-of-the-cluster',
    without: 'the look whether it was the API server that answered',
    file: 'src/kubernetes/api-client.ts',
    edits: [['if (isSuccess(status))', 'if (status > 0)']],
    tests: ['test/kubernetes/server-clock.test.ts'],
  },
  {
    claim: bySchedule,
    without: 'the look at the clock of the API server',
    file: 'src/signer/anchors/scheduled-rotation.ts',
    edits: [['await checkStepClock(probe, { signal: this.#closing.signal, now })', '']],
    tests: [scheduled],
  },
  {
    claim: bySchedule,
    without: 'the look whether the journal is the one that was decided by',
    file: 'src/signer/anchors/rotate-authority.ts',
    edits: never('formatJournal(seen) !== formatJournal(found)'),
    tests: [scheduled],
  },
  {
    claim: bySchedule,
    without: 'the publisher’s own eyes',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: [['this.#seen.secondsOf(sha256)', 'this.#ages.ageOf(sha256) / 1000']],
    tests: [scheduled],
  },
  {
    claim: bySchedule,
    without: 'the end of the CA that is replaced',
    file: 'src/pki/rotation-schedule.ts',
    edits: [
      [
        'Math.min(active.since + everySeconds * 1000, lastSignature(active))',
        'active.since + everySeconds * 1000',
      ],
    ],
    tests: ['test/pki/rotation-schedule.test.ts'],
  },
  {
    claim: bySchedule,
    without: 'the look whether a schedule fits its CAs',
    file: 'src/pki/rotation-schedule.ts',
    edits: never('everySeconds < everyMin || everySeconds > everyMax'),
    tests: ['test/pki/rotation-schedule.test.ts'],
  },
  {
    claim: 'signer.new-ca-waits-for-readers',
    without: 'the wait for readers',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: never('this.#waitSeconds > 0 && this.#active !== authority'),
  },
  {
    claim: 'signer.new-ca-waits-for-readers',
    without: 'the time that is written beside the anchors',
    file: 'src/signer/anchors/anchor-ages.ts',
    edits: [
      [
        'seen.set(sha256, since.get(sha256) ?? first)',
        'seen.set(sha256, since.get(sha256) ?? Math.min(first, -Infinity))',
      ],
    ],
  },
  {
    claim: byProof,
    without: 'the wait before a prepared CA is made active',
    file: 'src/signer/anchors/rotate-authority.ts',
    edits: never('left > 0'),
    tests: ['test/cli/command/ca-command.test.ts'],
  },
  {
    claim: byProof,
    without: 'the end of what signs on while its successor is not in force',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [['journalSecondsMax * 1000\n  }\n\n  /** A step', 'Infinity\n  }\n\n  /** A step']],
    tests: ['test/signer/anchors/secret-authorities.test.ts'],
  },
  {
    claim: byProof,
    without: 'the end of what nobody can read again',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [['this.#readAt <= journalSecondsMax * 1000', 'this.#readAt <= Infinity']],
    tests: ['test/signer/anchors/secret-authorities.test.ts'],
  },
  {
    claim: byProof,
    without: 'the look whether the active one is tainted or revoked',
    file: 'src/pki/authority-steps.ts',
    edits: [
      [
        "const { state, certificate } = chosen\n  if (state === 'active')",
        "const { state, certificate } = chosen\n  if (state === 'prepared')",
      ],
    ],
    tests: ['test/pki/authority-steps.test.ts'],
  },
  {
    claim: byProof,
    without: 'the anchors that are to go',
    file: 'src/signer/anchors/published-anchors.ts',
    edits: [['!gone.has(sha256)', '!gone.has(sha256 + sha256)']],
    tests: ['test/signer/anchors/rotate-authority.test.ts'],
  },
  {
    claim: byProof,
    without: 'the look at the clock of the API server',
    file: 'src/signer/anchors/step-clock.ts',
    edits: never('problem !== undefined'),
    tests: [command],
  },
  {
    claim: byProof,
    without: 'the age of the bundle',
    file: 'src/signer/anchors/delivery.ts',
    edits: [['const secondsMax = ', 'const secondsMax = Infinity + ']],
    tests: [command],
  },
  {
    claim: byProof,
    without: 'the age of the prepared CA',
    file: 'src/signer/anchors/delivery.ts',
    edits: [['Math.max(0, now - since)', 'Math.max(Infinity, now - since)']],
    tests: [command],
  },
  {
    claim: byProof,
    without: 'the proof where somebody says that readers have the anchor',
    file: 'src/signer/anchors/rotate-authority.ts',
    edits: [
      ['if (!step.leaked) checkDelivery', 'if (!step.leaked && !step.delivered) checkDelivery'],
    ],
    tests: [command],
  },
  {
    claim: byProof,
    without: 'the look whether replicas can read what is written',
    file: 'src/signer/anchors/rotate-authority.ts',
    edits: [['  checkReadable(next.journal, options)\n', '']],
    tests: ['test/signer/anchors/authority-secret.test.ts'],
  },
  {
    claim: byProof,
    without: 'the look whether what signs may sign still',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: [
      ['if (authorities.rotation?.maySign(active) !== false) return active', 'return active'],
    ],
    tests: [journaled],
  },
  {
    claim: byProof,
    without: 'the look whether it is known what may sign',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: never('authorities.rotation !== undefined'),
    tests: [journaled],
  },
  {
    claim: byProof,
    without: 'the look whether the journal was read just now',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: never('authorities.rotation?.isFresh() === false'),
    tests: [journaled],
  },
  {
    claim: byProof,
    without: 'the look whether a journal goes forward',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [['checkForward(this.journal(), journal', 'checkForward([], journal']],
    tests: ['test/signer/anchors/secret-authorities.test.ts'],
  },
  {
    claim: byProof,
    without: 'the ten seconds before what has just signed is revoked',
    file: 'src/pki/authority-steps.ts',
    edits: never("state !== 'prepared' && left > 0"),
    tests: ['test/pki/authority-steps.test.ts'],
  },
  {
    claim: 'signer.anchors-before-signatures',
    without: 'the look whether the bundle has the anchor still',
    file: 'src/signer/anchors/trust-bundle.ts',
    edits: never('active !== undefined && !isPublished(active, this.#published)'),
    tests: [journaled],
  },
  {
    claim: 'signer.by-the-clock-of-the-cluster',
    without: 'the look at the clock before the first CA is made',
    file: 'src/signer/anchors/authority-secret.ts',
    edits: [['if (clockProblem !== undefined) throw', 'if (clockProblem === null) throw']],
    tests: ['test/signer/anchors/authority-secret.test.ts'],
  },
  {
    claim: 'signer.follows-the-version-that-is-served',
    without: 'the second look',
    file: 'src/signer/lanes.ts',
    edits: [['if (seen < 2) continue', 'if (seen < 1) continue']],
    tests: ['test/signer/lanes.test.ts'],
  },
  {
    claim: asksOnce,
    without: 'the look whether the Secret has what was gone by when a CA is asked for',
    file: pendingInSecret,
    edits: [['      checkSeen(seen, journal)\n', '']],
    tests: [requesting],
  },
  {
    claim: asksOnce,
    without: 'the name of what is asked, before it is sent',
    file: pendingInSecret,
    edits: [['if (read === undefined) return', 'if (read !== undefined) return']],
    tests: [requesting],
  },
  {
    claim: asksOnce,
    without: 'the look whether another replica has forgotten what was denied',
    file: pendingInSecret,
    edits: [['      if (!isConflict(error)) throw error\n', '      throw error\n']],
    tests: [requesting],
  },
  {
    claim: belowConfigured,
    without: 'the look whether roots came with the answer',
    file: 'src/signer/anchors/requested-chain.ts',
    edits: [['certificates.filter((ca) => !ca.selfSigned)', 'certificates']],
    tests: ['test/signer/anchors/requested-chain.test.ts'],
  },
  {
    claim: belowConfigured,
    without: 'the least life of what is issued',
    file: 'src/signer/anchors/requested-chain.ts',
    edits: never('seconds < requestedSecondsMin'),
    tests: ['test/signer/anchors/requested-chain.test.ts'],
  },
  {
    claim: belowConfigured,
    without: 'the look whether the anchor of what signs is configured still',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [['if (this.#maySignBelow(active.anchor)) return undefined', 'return undefined']],
    tests: [requesting],
  },
  {
    claim: belowConfigured,
    without: 'the look whether the anchor of what is prepared is configured still',
    file: asking,
    edits: [['this.#isUsable(prepared)\n', 'prepared !== undefined\n']],
    tests: [requesting],
  },
  {
    claim: belowConfigured,
    without: 'the look whether the anchor of the one before was taken away',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [[' || !this.#maySignBelow(entry.anchor)', '']],
    tests: [requesting],
  },
  {
    claim: belowConfigured,
    without: 'the look whether the anchors of a journal are configured',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [['        .filter((anchor) => this.#maySignBelow(anchor))\n', '']],
    tests: [requesting],
  },
  {
    claim: belowConfigured,
    without: 'the end of an anchor that is taken out of the configuration',
    file: 'src/signer/anchors/secret-authorities.ts',
    edits: [[', ...this.#everConfigured]', ']']],
    tests: [requesting],
  },
  {
    claim: belowConfigured,
    without: 'the look whether another CA signs below the anchor that is to go',
    file: 'src/signer/anchors/rotate-authority.ts',
    edits: [
      ["others.every(({ state }) => state === 'old' || state === 'tainted')", 'others.length < 99'],
    ],
    tests: ['test/signer/anchors/rotate-authority.requested.test.ts'],
  },
  {
    claim: asksOnce,
    without: 'the look whether what was issued was said to have begun long ago',
    file: asking,
    edits: [
      [
        'Math.max(active.certificate.notBefore.getTime(), active.since)',
        'active.certificate.notBefore.getTime()',
      ],
    ],
    tests: [requesting],
  },
  {
    claim: asksOnce,
    without: 'the wait of who has not seen the answer that was no',
    file: asking,
    edits: [['    await this.#checkAskedAnew()\n', '']],
    tests: [requesting],
  },
  {
    claim: asksOnce,
    without: 'the count of such answers',
    file: 'src/signer/anchors/refused-requests.ts',
    edits: [['(parse(annotations)?.times ?? 0) + 1', '1']],
    tests: ['test/signer/anchors/refused-requests.test.ts'],
  },
]
