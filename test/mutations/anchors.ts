import { never, type Mutation } from './mutation.ts'

const copied = 'signer.anchors-copied-to-who-asks'
const copies = 'src/signer/anchors/anchor-copies.ts'
const publisher = 'src/signer/anchors/trust-bundle.ts'
const tests = ['test/signer/anchors/anchor-copies.test.ts']

/** The defences of what is published in ConfigMaps. */
export const anchorMutations: readonly Mutation[] = [
  {
    claim: copied,
    without: 'the copies before what others wait by',
    file: publisher,
    edits: [
      [
        'if (!takesAway) await copies?.spread(text, signal)',
        'if (takesAway) await copies?.spread(text, signal)',
      ],
      [
        'if (takesAway) await copies?.spread(text, signal)\n  }',
        'await copies?.spread(text, signal)\n  }',
      ],
    ],
    tests,
  },
  {
    claim: copied,
    without: 'the look whether a ConfigMap asks, and for whose anchors',
    file: copies,
    edits: [['metadata.annotations[asksForAnnotation] === trustDomain', "trustDomain !== ''"]],
    tests,
  },
  {
    claim: copied,
    without: 'the look at what is only behind',
    file: copies,
    edits: [['found.filter((one) => one.sha256 !== sha256)', 'found']],
    tests,
  },
  {
    claim: copied,
    without: 'the wait for what was not answered',
    file: copies,
    edits: never('waits.length > 0'),
    tests,
  },
  {
    claim: copied,
    without: 'the end of the wait for one that fails by itself',
    file: copies,
    edits: [['failures >= failuresMax', 'failures >= Infinity']],
    tests,
  },
  {
    claim: copied,
    without: 'the end of the wait for one that takes no change',
    file: copies,
    edits: [[' || isInvalid(error)', '']],
    tests,
  },
  {
    claim: copied,
    without: 'the publisher’s own ConfigMap left to it',
    file: copies,
    edits: [['metadata.namespace !== exceptNamespace', "metadata.namespace !== ''"]],
    tests,
  },
  {
    claim: 'signer.new-ca-waits-for-readers',
    without: 'the times of what somebody has emptied',
    file: 'src/signer/anchors/anchor-ages.ts',
    edits: [['published.length === 0 && annotation === undefined', 'published.length === 0']],
    tests: ['test/signer/anchors/anchor-place.test.ts'],
  },
  {
    claim: 'signer.new-ca-waits-for-readers',
    without: 'what the place before has published',
    file: publisher,
    edits: [['present ?? (await place.before(signal))', 'present']],
    tests: ['test/signer/anchors/anchor-place.test.ts'],
  },
]
