import type { Mutation } from './mutation.ts'

const sequence = 'src/signer/anchors/bundle-sequence.ts'
const endpoint = 'src/cli/signer/bundle-endpoint.ts'

/** Anchors that other trust domains read, and those that are read from them. */
export const trustMutations: readonly Mutation[] = [
  {
    claim: 'signer.bundle-sequence',
    without: 'the look whether the number belongs to what is published',
    file: sequence,
    edits: [["said?.sha256 !== hash('sha256', trustBundle)", 'said === undefined']],
  },
  {
    claim: 'signer.bundle-sequence',
    without: 'a number of its own for each content',
    file: sequence,
    edits: [['(parse(before)?.sequence ?? 0n) + 1n', '(parse(before)?.sequence ?? 0n)']],
  },
  {
    claim: 'signer.bundle-sequence',
    without: 'the clock, which keeps a deleted number from being given again',
    file: sequence,
    edits: [['${after > seconds ? after : seconds} ', '${after} ']],
  },
  {
    claim: 'federation.published-anchors-only',
    without: 'the refusal of an SVID that is of another trust domain',
    file: endpoint,
    edits: [['svid.spiffeId.trustDomain === trustDomain', 'chainPem.length > 0']],
  },
]
