import type { Mutation } from './mutation.ts'

const file = 'src/signer/carry-revocations.ts'
const tests = ['test/signer/carry-revocations.test.ts']

/** The defences of what is revoked on one cluster for another. */
export const carriedMutations: readonly Mutation[] = [
  {
    claim: 'signer.revocations-travel',
    without: 'the trust domain',
    file,
    edits: [['metadata.annotations[trustDomainKey] === trustDomain', 'metadata.name !== ""']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the look at where one comes from',
    file,
    edits: [['labels[carriedFromKey] === from && ', '']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the look at which trust domain one is for',
    file,
    edits: [[' && annotations[carriedForKey] === trustDomain', '']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the look at whether one is still marked',
    file,
    edits: [
      [
        'listObjects(client, carriable, { signal })',
        '(await listObjects(client, carriable, { signal })).filter((each) => each.metadata.labels[carriedFromKey] === from)',
      ],
    ],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the comparison of what it takes',
    file,
    edits: [[' && isDeepStrictEqual(found.spec, spec)', '']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the others after one that is refused',
    file,
    edits: [['if (!isConflict(error)) refused.push(error)', 'throw error']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the end of what is not taken any more',
    file,
    edits: [['spec: { ...gone, ...spec }', 'spec']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the time of a round that does not end',
    file,
    edits: [['const isLost = seconds', 'const isLost = problem !== undefined && seconds']],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the leaving out of annotations',
    file,
    edits: [['key === trustDomainKey || key === carriedForKey', "key !== ''"]],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the leaving out of labels',
    file,
    edits: [['labels: (key) => key === carriedFromKey', "labels: (key) => key !== ''"]],
    tests,
  },
  {
    claim: 'signer.revocations-travel',
    without: 'the look at whether the hub has it still',
    file,
    edits: [['unwanted.filter(({ metadata }) => onHub.has(metadata.name))', 'unwanted']],
    tests,
  },
]
