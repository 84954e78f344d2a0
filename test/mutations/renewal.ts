import type { Mutation } from './mutation.ts'

const oneRequest = 'renewal.one-request'
const verified = 'renewal.verified-before-written'
const owner = 'renewal.key-for-its-owner'
const request = 'src/renewal/request-certificate.ts'
const folder = 'src/renewal/credential-folder.ts'
const kept = ['test/renewal/keep-credential.test.ts']

/** The defences of an agent that keeps a credential. */
export const renewalMutations: readonly Mutation[] = [
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
