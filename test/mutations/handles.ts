import { never, type Mutation } from './mutation.ts'

const seal = 'src/gateway/handle/seal.ts'
const keys = 'src/gateway/handle/keys.ts'
const files = 'src/cli/gateway/handle-keys.ts'
const handles = ['test/gateway/handle/seal.calls.test.ts']

/** What callers hold of ours: whose it is, what it is, and what it is sealed with. */
export const handleMutations: readonly Mutation[] = [
  {
    claim: 'attack.handles-taken-over',
    without: 'the owner of a handle',
    file: seal,
    edits: [['ownedBy === owner ?', "ownedBy !== '' ?"]],
    tests: handles,
    named: 'another tenant',
  },
  {
    claim: 'attack.handles-taken-over',
    without: 'the kind of a handle',
    file: seal,
    edits: [['countersign/${kind}/${forms[kind]}/', 'countersign/${forms[kind] - forms[kind]}/']],
    tests: handles,
    named: 'as another kind',
  },
  {
    claim: 'attack.handles-taken-over',
    without: 'the door of a cursor',
    file: 'src/gateway/handle/cursor.ts',
    edits: [['position.door === door', "position.door !== '' && door !== ''"]],
    tests: handles,
    named: 'a cursor in the hands of its owner, elsewhere',
  },
  {
    claim: 'gateway.handle-keys-rotate',
    without: 'the end of known sessions with their key',
    file: seal,
    edits: [[' && keys.current().find(before.key.id) === before.key', '']],
  },
  {
    claim: 'gateway.handle-keys-rotate',
    without: 'the keys beside the one that seals',
    file: keys,
    edits: [
      [
        'placed.map(({ key }) => [key.id, key])',
        'placed.slice(-1).map(({ key }) => [key.id, key])',
      ],
    ],
  },
  {
    claim: 'gateway.handle-keys-rotate',
    without: 'the wait until a new key is everywhere',
    file: keys,
    edits: [['now() - since >= settleMilliseconds', 'now() >= since']],
  },
  {
    claim: 'gateway.handle-keys-rotate',
    without: 'the look whether the one before it is everywhere',
    file: keys,
    edits: [
      [
        'placed.findLast(({ since }) => now() - since >= settleMilliseconds)',
        '[placed.at(-1) ?? placed[0]].find(({ since }) => now() - since >= settleMilliseconds)',
      ],
      ['(settled ?? placed[0])', '(settled ?? placed.at(-2) ?? placed[0])'],
    ],
  },
  {
    claim: 'gateway.handle-keys-checked',
    without: 'the demand of production',
    file: files,
    edits: [['path === undefined && production', "path === '' && production"]],
  },
  {
    claim: 'gateway.handle-keys-checked',
    without: 'the length of a key',
    file: files,
    edits: never('size !== handleKeyBytes'),
  },
  {
    claim: 'gateway.handle-keys-checked',
    without: 'the look at who may write a key',
    file: files,
    edits: never('(mode & 0o002) !== 0'),
  },
  {
    claim: 'attack.made-up-authority',
    without: 'the chance in a key that nobody has given',
    file: keys,
    edits: [
      [
        'octets: Buffer = randomBytes(handleKeyBytes)',
        'octets: Buffer = Buffer.alloc(handleKeyBytes)',
      ],
      ['import { hkdfSync, randomBytes } from', 'import { hkdfSync } from'],
    ],
    tests: ['test/gateway/attacks.test.ts'],
  },
]
