import type { Mutation } from './mutation.ts'

const oneRequest = 'renewal.one-request'
const verified = 'renewal.verified-before-written'
const owner = 'renewal.key-for-its-owner'
const inOrder = 'renewal.sources-in-order'
const keeper = 'src/renewal/keep-credential.ts'
const ordered = ['test/renewal/keep-credential.sources.test.ts']
const request = 'src/renewal/request-certificate.ts'
const folder = 'src/renewal/credential-folder.ts'
const kept = ['test/renewal/keep-credential.test.ts']

/** The defences of an agent that keeps a credential. */
export const renewalMutations: readonly Mutation[] = [
  {
    claim: inOrder,
    without: 'the wait for the sources before',
    file: keeper,
    edits: [['attempt.rank === 0 ? 0 : fallBackSeconds * 1000', '0']],
    tests: ordered,
  },
  {
    claim: inOrder,
    without: 'the look at what a source before has given',
    file: keeper,
    edits: [['held !== undefined && held.rank < attempt.rank && lastsAt(held, now())', 'false']],
    tests: ordered,
  },
  {
    claim: inOrder,
    without: 'what is said of a source that stands in',
    file: 'src/renewal/credential-source.ts',
    edits: [
      [
        'if (name === wanted) return { ok: true, reason: name }',
        'return { ok: true, reason: name }',
      ],
    ],
    tests: ordered,
  },
  {
    claim: inOrder,
    without: 'the warning of who looks at a credential that stands in',
    file: 'src/cli/agent/run-agent.ts',
    edits: [['standsIn: ok ? undefined : reason', 'standsIn: undefined']],
    tests: ['test/cli/command/agent-program.test.ts'],
  },
  {
    claim: inOrder,
    without: 'which source a credential is of, after a restart',
    file: keeper,
    edits: [
      [
        'this.#attempts.find(({ source }) => source.name === name)',
        'this.#attempts.find(({ source }) => source.name === name || name !== undefined)',
      ],
    ],
    tests: ordered,
  },
  {
    claim: inOrder,
    without: 'the order of what is in force and what comes',
    file: 'src/renewal/held.ts',
    edits: [['next.rank < held.rank', 'true']],
    tests: ['test/renewal/held.test.ts'],
  },
  {
    claim: inOrder,
    without: 'the refusal in production',
    file: 'src/cli/agent/agent-configuration.ts',
    edits: [['isMade && production', 'isMade && !production && production']],
    tests: ['test/cli/command/agent-program.test.ts'],
  },
  {
    claim: inOrder,
    without: 'the error of two sources of equal rank',
    file: 'src/cli/agent/agent-configuration.ts',
    edits: [["files !== undefined && !sources.includes('files')", 'files === null']],
    tests: ['test/cli/command/agent-program.test.ts'],
  },
  {
    claim: verified,
    without: 'the pair of key and certificate that somebody else writes',
    file: 'src/pki/join-credential.ts',
    edits: [[' return undefined\n    return privateKey.export', '\n    return privateKey.export']],
    tests: ['test/renewal/files-source.test.ts'],
  },
  {
    claim: 'renewal.memory-only',
    without: 'the look before each write',
    file: folder,
    edits: [['      await checkMemory()\n', '']],
    tests: ['test/renewal/memory-folder.test.ts'],
  },
  {
    claim: 'renewal.memory-only',
    without: 'the look at the type of the file system',
    file: 'src/renewal/memory-folder.ts',
    edits: [['inMemory.includes(type)', 'inMemory.length > 0']],
    tests: ['test/renewal/memory-folder.test.ts'],
  },
  {
    claim: oneRequest,
    without: 'the request of the life before',
    file: request,
    edits: [['if (before !== undefined) return before', '']],
    tests: kept,
  },
  {
    claim: oneRequest,
    without: 'the key of the life before, written down before it is used',
    file: request,
    edits: [['  await store.keepPending(pending)\n', '']],
    tests: kept,
  },
  {
    claim: oneRequest,
    without: 'the end of a request that is over',
    file: request,
    edits: [['    await store.keepPending(undefined)\n', '']],
    tests: kept,
  },
  {
    claim: verified,
    without: 'the anchors, when a certificate comes',
    file: 'src/renewal/verify-credential.ts',
    edits: [['  verifyX509Svid(svid, { bundle, intermediates, now })\n', '']],
    tests: kept,
  },
  {
    claim: owner,
    without: 'the mode of files',
    file: folder,
    edits: [
      ["open(path, 'wx', mode)", "open(path, 'wx')"],
      ['  await file.chmod(mode)\n', ''],
    ],
    tests: ['test/renewal/credential-folder.test.ts'],
  },
  {
    claim: owner,
    without: 'the look at what is there already',
    file: folder,
    edits: [
      ["open(path, 'wx', mode)", "open(path, 'w', mode)"],
      ['        await rm(next, { force: true })\n        // The key', '        // The key'],
    ],
    tests: ['test/renewal/credential-folder.test.ts'],
  },
  {
    claim: owner,
    without: 'the owner of the folder',
    file: folder,
    edits: [['own !== undefined && owner !== own', 'false']],
    tests: ['test/renewal/credential-folder.test.ts'],
  },
  {
    claim: owner,
    without: 'the look at who else writes to the folder',
    file: folder,
    edits: [['(mode & 0o022) !== 0', 'false']],
    tests: ['test/renewal/credential-folder.test.ts'],
  },
  {
    claim: owner,
    without: 'the look at who could have planted or read the key of a request',
    file: folder,
    edits: [
      ['status?.isFile() !== true || (status.mode & 0o777) !== 0o600', 'status === undefined'],
    ],
    tests: ['test/renewal/credential-folder.test.ts'],
  },
]
